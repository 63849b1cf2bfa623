import { readFileSync, statSync } from 'node:fs';
import {
  ConfigurationError,
  type GivenValues,
  type OptionSources,
  type OptionValues,
  placeOf,
  resolveOptions,
} from '@linkspan/contract/options/declare.ts';
import { MASTER_KEY_VARIABLE } from '../store/masterKeySource.ts';
import type { StoreOptions } from '../store/open.ts';
import { SERVER_ENVIRONMENT_PREFIX, STORE_OPTIONS } from './options.ts';

/**
 * The options of `linkspan init`: where the store is, from flags and the server's environment. The master
 * key is taken out of that, which child processes would inherit.
 * @throws {ConfigurationError}
 */
export function loadStoreOptions(
  flags: GivenValues,
  environment: Record<string, string | undefined>,
): StoreOptions {
  const sources = { flags, environment, environmentPrefix: SERVER_ENVIRONMENT_PREFIX };
  const problems: string[] = [];
  const masterKey = takeMasterKey(environment);
  const options = resolveOptions(STORE_OPTIONS, sources);
  const read = storeOptions(options, masterKey, sources, problems);
  if (problems.length > 0) throw new ConfigurationError(problems);
  return read;
}

/**
 * Where the store is, from the options of any command that has them.
 * @param masterKey what the environment gave
 * @param problems takes what is wrong
 */
export function storeOptions(
  options: OptionValues<typeof STORE_OPTIONS>,
  masterKey: string | null,
  sources: OptionSources,
  problems: string[],
): StoreOptions {
  const { dataDir, masterKeyFile = null, masterKeyCommand, storeConnections } = options;
  const url = storeUrl(options, sources, problems);
  const places = [
    ...(masterKey === null ? [] : [MASTER_KEY_VARIABLE]),
    ...(masterKeyFile === null ? [] : [placeOf('masterKeyFile', sources)]),
    ...(masterKeyCommand === undefined ? [] : [placeOf('masterKeyCommand', sources)]),
  ];
  if (places.length > 1) problems.push(`${places[0]}: not beside ${places.slice(1).join(' and ')}`);
  const embedded = {
    dataDirectory: dataDir,
    masterKeyFile,
    ...(masterKey === null ? {} : { masterKey }),
    ...(masterKeyCommand === undefined ? {} : { masterKeyCommand }),
  };
  return url === null ? embedded : { ...embedded, url, connections: storeConnections };
}

/** The master key that the environment gives, and no longer does: child processes would inherit it. */
export function takeMasterKey(environment: Record<string, string | undefined>): string | null {
  const given = environment[MASTER_KEY_VARIABLE] ?? '';
  delete environment[MASTER_KEY_VARIABLE];
  return given === '' ? null : given;
}

/** The connection string of PostgreSQL; null for the embedded store. */
function storeUrl(
  { store, storeFile }: OptionValues<typeof STORE_OPTIONS>,
  sources: OptionSources,
  problems: string[],
): string | null {
  if (store === undefined && storeFile === undefined) return null;
  if (store !== undefined && storeFile !== undefined) {
    problems.push(`${placeOf('storeFile', sources)}: not beside ${placeOf('store', sources)}`);
    return null;
  }
  try {
    if (storeFile === undefined) {
      const isArgument = sources.flags['store'] !== undefined;
      return checkedUrl(placeOf('store', sources), store ?? '', isArgument);
    }
    const place = placeOf('storeFile', sources);
    return checkedUrl(place, readUrl(place, storeFile), false);
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    problems.push(...error.problems);
    return null;
  }
}

function readUrl(place: string, path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new ConfigurationError([`${place}: ${path} cannot be read (${code})`]);
  }
}

/** Messages never hold what was given: it may be a password. */
function checkedUrl(place: string, text: string, isArgument: boolean): string {
  const url = URL.parse(text);
  if (url === null || !['postgres:', 'postgresql:'].includes(url.protocol)) {
    throw new ConfigurationError([
      `${place}: must be a connection string such as postgres://user@host/database`,
    ]);
  }
  if (isArgument && (url.password !== '' || url.searchParams.has('password'))) {
    throw new ConfigurationError([
      `${place}: every user of this machine can read a password that is given here; put the connection string into LINKSPAN_SERVER_STORE, or into a file that --store-file names`,
    ]);
  }
  return text;
}

/**
 * A store that an argument names: a data directory, or a file with a connection string of PostgreSQL,
 * or such a string without a password.
 * @param flag for messages
 * @throws {ConfigurationError}
 */
export function storeAt(flag: string, text: string): StoreOptions {
  const embedded = { dataDirectory: text, masterKeyFile: null };
  if (/^postgres(?:ql)?:/.test(text)) return { ...embedded, url: checkedUrl(flag, text, true) };
  if (statSync(text, { throwIfNoEntry: false })?.isFile() !== true) return embedded;
  return { ...embedded, url: checkedUrl(flag, readUrl(flag, text), false) };
}
