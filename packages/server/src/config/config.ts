import Type from 'typebox';
import {
  ConfigurationError,
  flagOf,
  type GivenValues,
  type OptionValues,
  resolveOptions,
} from '@linkspan/contract/options/declare.ts';
import { optionSchemas, readYamlFile, resolvePaths } from '@linkspan/contract/options/yamlFile.ts';
import { normaliseCidr } from '../domain/addresses.ts';
import type { StoreOptions } from '../store/open.ts';
import { SERVER_ENVIRONMENT_PREFIX, SERVER_OPTIONS, STORE_OPTIONS } from './options.ts';

const FileSchema = Type.Object(optionSchemas(SERVER_OPTIONS), { additionalProperties: false });

export interface ServerConfig {
  readonly options: OptionValues<typeof SERVER_OPTIONS>;
  readonly store: StoreOptions;
  /** Normalised CIDR blocks. */
  readonly allowedNetworks: readonly string[];
  /** Normalised CIDR blocks. */
  readonly trustedProxies: readonly string[];
  /** Without a path; null: what the server listens on. */
  readonly publicUrl: string | null;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads the flags, the environment and, if one is named, the configuration file.
 * @throws {ConfigurationError} naming each problem with its flag, variable, or file and line
 */
export function loadConfig(flags: GivenValues, environment: Environment): ServerConfig {
  const sources = { flags, environment, environmentPrefix: SERVER_ENVIRONMENT_PREFIX };
  const { config } = resolveOptions(SERVER_OPTIONS, sources);
  const file =
    config === undefined
      ? {}
      : resolvePaths(SERVER_OPTIONS, readYamlFile(config, FileSchema).value as GivenValues, config);
  const options = resolveOptions(SERVER_OPTIONS, { ...sources, file });
  return {
    options,
    store: storeOptions(options),
    allowedNetworks: parseNetworks('allowedNetworks', options.allowedNetworks),
    trustedProxies: parseNetworks('trustedProxies', options.trustedProxies),
    publicUrl: options.publicUrl === undefined ? null : parsePublicUrl(options.publicUrl),
  };
}

/**
 * The options of `linkspan init`: where the store is, from flags and the server's environment.
 * @throws {ConfigurationError}
 */
export function loadStoreOptions(flags: GivenValues, environment: Environment): StoreOptions {
  return storeOptions(
    resolveOptions(STORE_OPTIONS, {
      flags,
      environment,
      environmentPrefix: SERVER_ENVIRONMENT_PREFIX,
    }),
  );
}

function storeOptions(options: OptionValues<typeof STORE_OPTIONS>): StoreOptions {
  return { dataDirectory: options.dataDir, masterKeyFile: options.masterKeyFile ?? null };
}

function parseNetworks(key: string, text: string): string[] {
  const parts = text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
  const wrong = parts.filter((part) => normaliseCidr(part) === null);
  if (wrong.length > 0) {
    throw new ConfigurationError(
      wrong.map((part) => `${flagOf(key)}: "${part}" is not an address or a CIDR block`),
    );
  }
  return parts.map((part) => normaliseCidr(part) ?? part);
}

function parsePublicUrl(text: string): string {
  const url = URL.parse(text);
  const isPlain =
    url !== null &&
    (url.protocol === 'http:' || url.protocol === 'https:') &&
    url.pathname === '/' &&
    url.search === '' &&
    url.hash === '' &&
    url.username === '' &&
    url.password === '';
  if (!isPlain) {
    throw new ConfigurationError([
      `--public-url: "${text}" is not a URL such as https://linkspan.example.com, without a path`,
    ]);
  }
  return url.origin;
}
