import { randomBytes } from 'node:crypto';
import { existsSync, linkSync, mkdirSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Executor } from './executor.ts';
import * as facts from './facts.ts';
import { Sealer } from './sealing.ts';

/** The master key's file is missing, or does not hold a key, or not the key of this store. */
export class MasterKeyError extends Error {
  override readonly name = 'MasterKeyError';
}

/** Where the key is looked for. */
export interface MasterKeyPlace {
  readonly dataDirectory: string;
  /** null: `master.key` in the data directory, made on first use. */
  readonly masterKeyFile: string | null;
}

/**
 * Reads the master key: 32 bytes in hex or base64. The key in the data directory is made on first
 * use, and never where sealed rows exist, which another key could not open (rule C8).
 * @returns what seals under it, and the file that it stands in
 * @throws {MasterKeyError} naming the file and what to do
 */
export async function loadMasterKey(
  { dataDirectory, masterKeyFile }: MasterKeyPlace,
  db: Executor,
): Promise<{ readonly sealer: Sealer; readonly path: string }> {
  const path = masterKeyFile ?? join(dataDirectory, 'master.key');
  if (existsSync(path)) return { sealer: new Sealer(read(path)), path };
  if (masterKeyFile !== null) {
    throw new MasterKeyError(`the master key file ${path} does not exist`);
  }
  if ((await facts.find(db, 'masterKeyId')) !== null || (await firstSealed(db)) !== undefined) {
    throw new MasterKeyError(
      `the master key file ${path} is missing, but the store holds secrets sealed under it: put the file back, or name it with --master-key-file`,
    );
  }
  make(path);
  return { sealer: new Sealer(read(path)), path };
}

/** Appears whole or not at all; of two nodes that make it at once, both use the first one's. */
function make(path: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const key = randomBytes(32).toString('hex');
  const fresh = `${path}.${process.pid}-${randomBytes(4).toString('hex')}`;
  writeFileSync(fresh, `${key}\n`, { mode: 0o600, flag: 'wx', flush: true });
  try {
    linkSync(fresh, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    unlinkSync(fresh);
  }
}

/**
 * Makes the key the one of this store, unless it has one. A server with another key would start and
 * then refuse every request; two nodes with a key each would not read each other's secrets.
 * @throws {MasterKeyError} if the store's key is another one
 */
export async function claimMasterKey(sealer: Sealer, path: string, db: Executor): Promise<void> {
  const sealed = await firstSealed(db);
  const isSame =
    (sealed === undefined || sealer.hasSealed(sealed)) &&
    (await facts.claim(db, 'masterKeyId', sealer.keyId)) === sealer.keyId;
  if (isSame) return;
  throw new MasterKeyError(
    `the store's secrets are sealed under another master key than that in ${path}: put the right file there, or name it with --master-key-file`,
  );
}

function read(path: string): Buffer {
  const text = readFileSync(path, 'utf8').trim();
  const key = /^[0-9a-f]{64}$/i.test(text) ? Buffer.from(text, 'hex') : Buffer.from(text, 'base64');
  if (key.length !== 32) {
    throw new MasterKeyError(`the master key file ${path} must hold 32 bytes in hex or base64`);
  }
  return key;
}

/** Some sealed value, of a store from before it said which key is its own. */
async function firstSealed(db: Executor): Promise<Uint8Array | undefined> {
  const key = await db.selectFrom('api_keys').select('ha1_sealed').limit(1).executeTakeFirst();
  const cluster = await db.selectFrom('clusters').select('uri_sealed').limit(1).executeTakeFirst();
  const signingKey = await db
    .selectFrom('signing_keys')
    .select('private_key_sealed')
    .limit(1)
    .executeTakeFirst();
  return key?.ha1_sealed ?? cluster?.uri_sealed ?? signingKey?.private_key_sealed;
}
