import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import type { Executor } from './executor.ts';

/** The master key's file is missing, or does not hold a key, or not the key of this store. */
export class MasterKeyError extends Error {
  override readonly name = 'MasterKeyError';
}

/**
 * Reads the master key: 32 bytes in hex or base64. The key in the data directory is made on first
 * use, and never where sealed rows exist, which another key could not open (rule C8).
 * @param path the file's path
 * @param mayCreate whether a missing file may be made, when nothing is sealed yet
 * @throws {MasterKeyError} naming the file and what to do
 */
export async function loadMasterKey(
  path: string,
  mayCreate: boolean,
  db: Executor,
): Promise<Buffer> {
  if (existsSync(path)) return parse(path, readFileSync(path, 'utf8').trim());
  if (!mayCreate) throw new MasterKeyError(`the master key file ${path} does not exist`);
  if (await hasSealedRows(db)) {
    throw new MasterKeyError(
      `the master key file ${path} is missing, but the store holds secrets sealed under it: put the file back, or name it with --master-key-file`,
    );
  }
  const key = randomBytes(32);
  writeFileSync(path, `${key.toString('hex')}\n`, { mode: 0o600, flag: 'wx', flush: true });
  return key;
}

function parse(path: string, text: string): Buffer {
  const key = /^[0-9a-f]{64}$/i.test(text) ? Buffer.from(text, 'hex') : Buffer.from(text, 'base64');
  if (key.length !== 32) {
    throw new MasterKeyError(`the master key file ${path} must hold 32 bytes in hex or base64`);
  }
  return key;
}

async function hasSealedRows(db: Executor): Promise<boolean> {
  const key = await db.selectFrom('api_keys').select('id').limit(1).executeTakeFirst();
  const cluster = await db.selectFrom('clusters').select('id').limit(1).executeTakeFirst();
  const signingKey = await db.selectFrom('signing_keys').select('id').limit(1).executeTakeFirst();
  return key !== undefined || cluster !== undefined || signingKey !== undefined;
}
