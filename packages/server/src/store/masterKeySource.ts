import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The master key is missing, or is none, or is not the key of this store. */
export class MasterKeyError extends Error {
  override readonly name = 'MasterKeyError';
}

/** Where the key is looked for: of the last three, one at most. */
export interface MasterKeyPlace {
  readonly dataDirectory: string;
  /** null: `master.key` in the data directory, made on first use. */
  readonly masterKeyFile: string | null;
  /** What the environment gave. A secret. */
  readonly masterKey?: string;
  /** A program and its arguments, which prints the key. */
  readonly masterKeyCommand?: string;
}

/** What a place holds. More than one key while the key is changed: the last is the one to change to. */
export interface MasterKeys {
  /** 32 bytes each. */
  readonly keys: readonly Buffer[];
  /** For messages. */
  readonly place: string;
  /** null where it is no file. */
  readonly file: string | null;
}

/** The environment variable that may hold the key. */
export const MASTER_KEY_VARIABLE = 'LINKSPAN_SERVER_MASTER_KEY';

/** How long the command may take, in milliseconds. */
const COMMAND_MS = 30_000;
/** More than any number of keys is long, in bytes. */
const COMMAND_BYTES = 64 * 1024;

/**
 * Reads the keys: 32 bytes each in hex or base64, a line each.
 * @returns null where the key of the data directory has not been made yet
 * @throws {MasterKeyError} naming the place and what is wrong, and no part of a key
 */
export async function readMasterKeys(place: MasterKeyPlace): Promise<MasterKeys | null> {
  const { dataDirectory, masterKeyFile, masterKey, masterKeyCommand } = place;
  if (masterKey !== undefined) return parse(masterKey, MASTER_KEY_VARIABLE, null);
  if (masterKeyCommand !== undefined) {
    const [program = '', ...args] = masterKeyCommand.trim().split(/\s+/);
    return parse(await ask(program, args), `what ${program} prints`, null);
  }
  const file = masterKeyFile ?? defaultFile(dataDirectory);
  if (existsSync(file)) return parse(readFileSync(file, 'utf8'), `the file ${file}`, file);
  if (masterKeyFile === null) return null;
  throw new MasterKeyError(`the master key file ${file} does not exist`);
}

/** Makes the key of the data directory. It appears whole or not at all; of two nodes that make it at
 * once, both use the first one's. */
export async function makeMasterKey(place: MasterKeyPlace): Promise<MasterKeys> {
  const path = defaultFile(place.dataDirectory);
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const fresh = `${path}.${process.pid}-${randomBytes(4).toString('hex')}`;
  writeFileSync(fresh, `${newKey()}\n`, { mode: 0o600, flag: 'wx', flush: true });
  try {
    linkSync(fresh, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    unlinkSync(fresh);
  }
  return parse(readFileSync(path, 'utf8'), `the file ${path}`, path);
}

/** Adds a new key to a file, as the one to change to. Durable when it comes back. */
export function addMasterKey(file: string): MasterKeys {
  const text = `${readFileSync(file, 'utf8').trim()}\n${newKey()}\n`;
  writeFileSync(`${file}.new`, text, { mode: 0o600, flush: true });
  renameSync(`${file}.new`, file);
  const directory = openSync(dirname(file), 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
  return parse(text, `the file ${file}`, file);
}

function defaultFile(dataDirectory: string): string {
  return join(dataDirectory, 'master.key');
}

function newKey(): string {
  return randomBytes(32).toString('hex');
}

/** What a program prints. Without a shell, and nothing of it is told: it may be a key. */
async function ask(program: string, args: readonly string[]): Promise<string> {
  try {
    const options = { timeout: COMMAND_MS, maxBuffer: COMMAND_BYTES };
    const { stdout } = await run(program, args, { ...options, killSignal: 'SIGKILL' });
    return stdout;
  } catch (error) {
    const { code, killed } = error as { code?: string | number; killed?: boolean };
    const why =
      code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER'
        ? 'printed too much for a key'
        : killed === true
          ? `did not end within ${COMMAND_MS / 1000} s`
          : typeof code === 'number'
            ? `ended with exit code ${code}`
            : `cannot be run (${code})`;
    // Without its cause, which quotes what was printed.
    throw new MasterKeyError(`the master key command ${program} ${why}`);
  }
}

function parse(text: string, place: string, file: string | null): MasterKeys {
  const lines = text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const keys = lines.map((line) =>
    /^[0-9a-f]{64}$/i.test(line) ? Buffer.from(line, 'hex') : Buffer.from(line, 'base64'),
  );
  if (keys.length === 0 || keys.some(({ length }) => length !== 32)) {
    throw new MasterKeyError(
      `${place} must hold a master key of 32 bytes in hex or base64, or several, a line each`,
    );
  }
  return { keys, place, file };
}
