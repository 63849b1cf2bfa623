import process from 'node:process';

import { NO_TLS_FILES } from '@linkspan/contract/tls/files.ts';
import { Option, type Command } from 'commander';

import { ApiClient, type ApiCredentials, type ApiRequest } from './api/client.ts';
import { UsageError } from './exitCodes.ts';
import { PROFILE_VARIABLES, readProfiles, type Profile, type ProfileKey } from './profiles.ts';
import { beforeSignals } from './signals.ts';

/** Options of every command that talks to a server. */
export interface ClientOptions {
  readonly profile?: string;
  readonly baseUrl?: string;
  readonly tlsCaFile?: string;
  readonly orgId?: string;
  readonly projectId?: string;
  readonly output?: 'json';
}

export interface ListOptions extends ClientOptions {
  readonly limit?: string;
  readonly page?: string;
}

/** Adds the options that every command for a server has, and the id that it works on. */
export function clientCommand(command: Command, scope?: 'organization' | 'project'): Command {
  if (scope === 'organization') {
    command.option('--orgId <id>', 'organization to use; overrides the profile');
  }
  if (scope === 'project') {
    command.option('--projectId <id>', 'project to use; overrides the profile');
  }
  return command
    .addOption(new Option('-o, --output <format>', 'how to print the answer').choices(['json']))
    .option('-P, --profile <name>', 'profile of the configuration file to use')
    .option('--baseUrl <url>', 'URL of the server; overrides the profile')
    .option(
      '--tlsCaFile <path>',
      "authorities that the server's certificate is signed by, in PEM; overrides the profile",
    );
}

export function listCommand(command: Command, scope?: 'organization' | 'project'): Command {
  return clientCommand(command, scope)
    .option('--limit <number>', 'results on a page, 1 to 500', '100')
    .option('--page <number>', 'page of the list', '1');
}

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** A server as the flags, the environment and the profile name it. */
export class Session implements AsyncDisposable {
  readonly output: 'json' | undefined;
  readonly #options: ClientOptions;
  readonly #profile: Profile;
  readonly #client: ApiClient;
  readonly #release: () => void;

  /**
   * @throws {UsageError} | {ConfigurationError} if it is not known how to reach a server
   * @throws {TlsFileError}
   */
  constructor(options: ClientOptions) {
    this.output = options.output;
    this.#options = options;
    this.#profile = profileOf(options.profile);
    const baseUrl = this.#need('baseUrl', '--baseUrl');
    checkBaseUrl(baseUrl);
    const credentials = this.#credentials();
    const isAccount = 'clientId' in credentials;
    if (isAccount) checkPrivacy(baseUrl);
    const caFile = this.#find('tlsCaFile') ?? null;
    this.#client = new ApiClient(baseUrl, credentials, { ...NO_TLS_FILES, caFile });
    // An account has a limited number of tokens: one that Ctrl-C left would count for an hour.
    this.#release = isAccount ? beforeSignals(() => this.#client.signOut()) : () => undefined;
  }

  /** @throws {UsageError} if it is not known, or is none */
  get orgId(): string {
    return this.#id('orgId', '--orgId');
  }

  /** @throws {UsageError} if it is not known, or is none */
  get projectId(): string {
    return this.#id('projectId', '--projectId');
  }

  /** @throws {ApiError} | {UnreachableError} */
  call<T>(method: Method, path: string, request?: ApiRequest): Promise<T> {
    return this.#client.call<T>(method, path, request);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client[Symbol.asyncDispose]();
    this.#release();
  }

  /** Of the environment if it names any, else of the profile. */
  #credentials(): ApiCredentials {
    const account = Boolean(process.env[PROFILE_VARIABLES.clientId]);
    const key = Boolean(process.env[PROFILE_VARIABLES.publicKey]);
    if (account && key) {
      throw new UsageError(
        `${PROFILE_VARIABLES.clientId} and ${PROFILE_VARIABLES.publicKey} are both set: unset one of them, to sign in as a service account or with an API key`,
      );
    }
    if (account || (!key && this.#profile.clientId !== undefined)) {
      return {
        clientId: this.#need('clientId', null),
        clientSecret: this.#need('clientSecret', null),
      };
    }
    return {
      publicKey: this.#need('publicKey', null),
      privateKey: this.#need('privateKey', null),
    };
  }

  #id(key: 'orgId' | 'projectId', flag: string): string {
    const id = this.#need(key, flag);
    if (/^[0-9a-f]{24}$/.test(id)) return id;
    throw new UsageError(`${key} "${id}" is not an ID: it has 24 lower-case hexadecimal digits`);
  }

  #find(key: ProfileKey): string | undefined {
    const fromFlag = key in this.#options ? this.#options[key as keyof ClientOptions] : undefined;
    return fromFlag ?? (process.env[PROFILE_VARIABLES[key]] || undefined) ?? this.#profile[key];
  }

  #need(key: ProfileKey, flag: string | null): string {
    const value = this.#find(key);
    if (value !== undefined && value !== '') return value;
    const places = [
      ...(flag === null ? [] : [flag]),
      PROFILE_VARIABLES[key],
      '`linkspan config init`',
    ];
    throw new UsageError(`${key} is not known: give it with ${places.join(' or ')}`);
  }
}

/** @throws {UsageError} for what no server can be reached at */
export function checkBaseUrl(baseUrl: string): void {
  const protocol = URL.parse(baseUrl)?.protocol;
  if (protocol === 'http:' || protocol === 'https:') return;
  throw new UsageError(`"${baseUrl}" is not the URL of a server, such as https://host:8080`);
}

/**
 * A client secret goes to the server as it is.
 * @throws {UsageError} for a URL that would send it through a network in the clear
 */
function checkPrivacy(baseUrl: string): void {
  const { protocol, hostname } = new URL(baseUrl);
  const isLoopback = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname);
  if (protocol === 'https:' || isLoopback) return;
  throw new UsageError(
    `${baseUrl} would carry the client secret in the clear: use https, or an API key, whose private key never leaves this machine`,
  );
}

/** The page of a list that the options ask for. */
export function pageQuery(options: ListOptions): { itemsPerPage?: string; pageNum?: string } {
  return {
    ...(options.limit === undefined ? {} : { itemsPerPage: options.limit }),
    ...(options.page === undefined ? {} : { pageNum: options.page }),
  };
}

function profileOf(name: string | undefined): Profile {
  const profiles = readProfiles();
  const profile = profiles[name ?? 'default'];
  if (profile === undefined && name !== undefined) {
    const known = Object.keys(profiles).join(', ') || 'none';
    throw new UsageError(`there is no profile "${name}"; known: ${known}`);
  }
  return profile ?? {};
}
