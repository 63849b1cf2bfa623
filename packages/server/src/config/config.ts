import Type from 'typebox';
import {
  ConfigurationError,
  type GivenValues,
  type OptionSources,
  type OptionValues,
  placeOf,
  resolveOptions,
} from '@linkspan/contract/options/declare.ts';
import { optionSchemas, readYamlFile, resolvePaths } from '@linkspan/contract/options/yamlFile.ts';
import type { TlsFiles } from '@linkspan/contract/tls/files.ts';
import { tlsFilesOf } from '@linkspan/contract/tls/options.ts';
import { acceptedVersion } from '@linkspan/contract/api/versions.ts';
import { normaliseCidr } from '../domain/addresses.ts';
import type { StoreOptions } from '../store/open.ts';
import { SERVER_ENVIRONMENT_PREFIX, SERVER_OPTIONS } from './options.ts';
import { storeOptions, takeMasterKey } from './storeOptions.ts';

const FileSchema = Type.Object(optionSchemas(SERVER_OPTIONS), { additionalProperties: false });

export interface ServerConfig {
  readonly options: OptionValues<typeof SERVER_OPTIONS>;
  readonly store: StoreOptions;
  /** Normalised CIDR blocks. */
  readonly allowedNetworks: readonly string[];
  /** Normalised CIDR blocks. */
  readonly trustedProxies: readonly string[];
  /** Dates, as 2023-01-01. */
  readonly goneVersions: readonly string[];
  /** Without a path; null: what the server listens on. */
  readonly publicUrl: string | null;
  /** Without a path; null: what the server listens on. */
  readonly nodeUrl: string | null;
  /** Its `caFile` is what agents' certificates are signed by; null: plain http. */
  readonly tls: TlsFiles | null;
  /** Its `caFile` alone: what other nodes' certificates are signed by. */
  readonly nodeTls: TlsFiles;
}

type Environment = Record<string, string | undefined>;

/**
 * Reads the flags, the environment and, if one is named, the configuration file. Takes the master key
 * out of the environment, which child processes would inherit.
 * @throws {ConfigurationError} naming each problem with its flag, variable, or file and line
 */
export function loadConfig(flags: GivenValues, environment: Environment): ServerConfig {
  const masterKey = takeMasterKey(environment);
  const given = { flags, environment, environmentPrefix: SERVER_ENVIRONMENT_PREFIX };
  const { config } = resolveOptions(SERVER_OPTIONS, given);
  const sources = config === undefined ? given : { ...given, ...readFile(config) };
  const options = resolveOptions(SERVER_OPTIONS, sources);
  const problems: string[] = [];
  const networks = (key: 'allowedNetworks' | 'trustedProxies'): string[] => {
    const { normalised, wrong } = parseNetworks(options[key]);
    for (const part of wrong) {
      problems.push(`${placeOf(key, sources)}: "${part}" is not an address or a CIDR block`);
    }
    return normalised;
  };
  const url = (key: 'publicUrl' | 'nodeUrl'): string | null => {
    const text = options[key];
    const origin = text === undefined ? null : originOf(text);
    if (origin !== undefined) return origin;
    problems.push(
      `${placeOf(key, sources)}: must be a URL such as https://linkspan.example.com, without a path, a query or credentials`,
    );
    return null;
  };
  const publicUrl = url('publicUrl');
  const nodeUrl = url('nodeUrl');
  const goneVersions = options.goneVersions
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
  for (const date of goneVersions) {
    if (acceptedVersion(`application/vnd.atlas.${date}+json`) !== null) continue;
    problems.push(
      `${placeOf('goneVersions', sources)}: "${date}" is not a date such as 2023-01-01`,
    );
  }
  const read = {
    options,
    store: storeOptions(options, masterKey, sources, problems),
    allowedNetworks: networks('allowedNetworks'),
    trustedProxies: networks('trustedProxies'),
    goneVersions,
    publicUrl,
    nodeUrl,
    tls: serverTls(options, sources, problems),
    nodeTls: tlsFilesOf(options, { ca: 'nodeCaFile', cert: '', key: '' }, sources, problems),
  };
  if (problems.length > 0) throw new ConfigurationError(problems);
  return read;
}

const SERVER_TLS = { ca: 'agentCaFile', cert: 'tlsCertFile', key: 'tlsKeyFile' } as const;

function serverTls(
  options: OptionValues<typeof SERVER_OPTIONS>,
  sources: OptionSources,
  problems: string[],
): TlsFiles | null {
  const files = tlsFilesOf(options, SERVER_TLS, sources, problems);
  if (files.certFile !== null) return files;
  if (files.caFile !== null && files.keyFile === null) {
    problems.push(
      `${placeOf('agentCaFile', sources)}: certificates of agents are asked for where this server itself speaks https: give ${placeOf('tlsCertFile', sources)}, too`,
    );
  }
  return null;
}

function readFile(path: string): Pick<OptionSources, 'file' | 'fileAt'> {
  const { value, at } = readYamlFile(path, FileSchema);
  return {
    file: resolvePaths(SERVER_OPTIONS, value as GivenValues, path),
    fileAt: (key) => at([key]),
  };
}

function parseNetworks(text: string): { normalised: string[]; wrong: string[] } {
  const normalised: string[] = [];
  const wrong: string[] = [];
  for (const part of text.split(',').map((item) => item.trim())) {
    if (part === '') continue;
    const cidr = normaliseCidr(part);
    if (cidr === null) wrong.push(part);
    else normalised.push(cidr);
  }
  return { normalised, wrong };
}

/** The origin of a URL that is nothing but one, else undefined. */
function originOf(text: string): string | undefined {
  const url = URL.parse(text);
  const isPlain =
    url !== null &&
    (url.protocol === 'http:' || url.protocol === 'https:') &&
    url.pathname === '/' &&
    url.search === '' &&
    url.hash === '' &&
    url.username === '' &&
    url.password === '';
  return isPlain ? url.origin : undefined;
}
