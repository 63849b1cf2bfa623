import { isIP } from 'node:net';
import { HOW_TO_ESCAPE, mayShowPassword } from '@linkspan/contract/options/mongodbUri.ts';
import { ConnectionString } from 'mongodb-connection-string-url';
import { type AddressList, mayConnectTo } from './addresses.ts';

/**
 * Options that a destination's connection string may have (rule C13): none that reads a file, runs
 * another authentication than by password, goes through a proxy, or weakens what a write means.
 * Compared without regard to case, as the driver does.
 */
const ALLOWED_OPTIONS = new Set(
  [
    'authSource',
    'authMechanism',
    'replicaSet',
    'directConnection',
    'tls',
    'ssl',
    'tlsAllowInvalidCertificates',
    'tlsAllowInvalidHostnames',
    'tlsInsecure',
    'retryWrites',
    'retryReads',
    'w',
    'appName',
    'compressors',
    'connectTimeoutMS',
    'serverSelectionTimeoutMS',
    'maxPoolSize',
    'srvMaxHosts',
    'srvServiceName',
  ].map((option) => option.toLowerCase()),
);

const PASSWORD_MECHANISMS = new Set(['DEFAULT', 'SCRAM-SHA-1', 'SCRAM-SHA-256']);

/** A connection string is refused; the message says why and holds no part that may be secret. */
export class DestinationUriError extends Error {
  override readonly name = 'DestinationUriError';
}

/**
 * Checks a destination's connection string before it is kept. Names are resolved, and each address
 * checked again, when a connection is made.
 * @throws {DestinationUriError}
 */
export function checkDestinationUri(uri: string, allowedNetworks: AddressList): void {
  const parsed = parse(uri);
  for (const option of parsed.searchParams.keys()) {
    if (!ALLOWED_OPTIONS.has(option.toLowerCase())) {
      throw new DestinationUriError(`has the option ${option}, which is not allowed here`);
    }
  }
  const mechanism = parsed.typedSearchParams<{ authMechanism: string }>().get('authMechanism');
  if (mechanism !== null && !PASSWORD_MECHANISMS.has(mechanism.toUpperCase())) {
    throw new DestinationUriError(
      'has an authMechanism that is not allowed here: use SCRAM-SHA-256 or SCRAM-SHA-1',
    );
  }
  for (const host of parsed.hosts) {
    if (host.includes('%2F') || host.includes('/')) {
      throw new DestinationUriError('names a socket file, which is not allowed here');
    }
    const name = hostname(host);
    const address = name.toLowerCase() === 'localhost' ? '127.0.0.1' : name;
    if (isIP(address) !== 0 && !mayConnectTo(address, allowedNetworks)) {
      throw new DestinationUriError(
        `names the host ${name}, an address on this server's side: allow its network with --allowed-networks if it is meant`,
      );
    }
  }
}

/** @throws {DestinationUriError} also where what is read of it may be a part of the password */
function parse(uri: string): ConnectionString {
  try {
    const parsed = new ConnectionString(uri);
    if (!mayShowPassword(uri, parsed.hosts)) return parsed;
  } catch {
    // What the parser says quotes it.
  }
  throw new DestinationUriError(
    `must be a connection string such as mongodb://user:password@host:27017/?replicaSet=name, where ${HOW_TO_ESCAPE}`,
  );
}

/** The hosts that a connection string names, with their ports, without credentials. */
export function hostsOf(uri: string): string[] {
  return new ConnectionString(uri).hosts;
}

/** Options that say which servers are meant, or which part of them. */
const NAMING_OPTIONS = ['replicaSet', 'directConnection', 'srvMaxHosts', 'srvServiceName'];

/**
 * Whether two connection strings name the same user at the same cluster, in the same way: then they differ in
 * passwords, authorities and the like alone, and what a cluster lists over the one it lists over the other, too.
 * A user without the privilege `inprog` sees no connections but its own. False where that cannot be seen of
 * them alone.
 */
export function isSameUserAtSameCluster(one: string, other: string): boolean {
  return namesOf(one) === namesOf(other);
}

function namesOf(uri: string): string {
  const parsed = new ConnectionString(uri);
  const options = parsed.typedSearchParams<Record<string, string>>();
  const hosts = parsed.hosts.map((host) => {
    const name = host.toLowerCase();
    return parsed.isSRV || /:\d+$/.test(name) ? name : `${name}:27017`;
  });
  const named = NAMING_OPTIONS.map((option) => options.get(option));
  const database = parsed.pathname.replace(/^\//, '');
  const authSource = options.get('authSource') ?? (database === '' ? 'admin' : database);
  const user = parsed.username === '' ? null : [parsed.username, authSource];
  return JSON.stringify([parsed.isSRV, hosts.toSorted(), named, user]);
}

/** Options that whoever connects needs too: those that Atlas shows (recorded). */
const PUBLIC_OPTIONS = ['tls', 'ssl', 'authSource', 'replicaSet'];

/** A destination's connection string without credentials, as Atlas gives them out. */
export function publicConnectionStrings(uri: string): {
  readonly standard?: string;
  readonly standardSrv?: string;
} {
  const parsed = new ConnectionString(uri);
  const hosts = parsed.hosts.join(',');
  // The options of an SRV record stand in its TXT record; Atlas shows the name alone (recorded).
  if (parsed.isSRV) return { standardSrv: `mongodb+srv://${hosts}` };
  const options = parsed.typedSearchParams<Record<string, string>>();
  const shown = new URLSearchParams();
  for (const name of PUBLIC_OPTIONS) {
    const value = options.get(name);
    if (value !== null) shown.append(name, value);
  }
  const query = shown.toString();
  return { standard: `mongodb://${hosts}/${query === '' ? '' : `?${query}`}` };
}

function hostname(host: string): string {
  return /^\[(.*)\](?::\d+)?$/.exec(host)?.[1] ?? host.replace(/:\d+$/, '');
}
