import type { StoreDialect } from '../dialects/dialect.ts';
import type { Executor } from '../executor.ts';
import * as facts from '../facts.ts';
import { addMasterKey, MasterKeyError, readMasterKeys } from '../masterKeySource.ts';
import * as nodes from '../nodes.ts';
import { openStore, requireStore, type StoreOptions } from '../open.ts';
import { sealAgain } from '../sealedValues.ts';
import { keyIdOf, Sealer } from '../sealing.ts';

/** A node that said nothing for so long does not run any more: it speaks every ten seconds. */
const HEARD_OF_MS = 60_000;

export interface Rotation {
  /** Of the key that everything is sealed under now. */
  readonly masterKeyId: string;
  /** Of the one before; the same where only what was left of it has been sealed again. */
  readonly previousMasterKeyId: string;
  /** Values that were sealed again. */
  readonly sealedAgain: number;
}

/**
 * Changes the master key to the last one of its place, in one transaction: whatever ends it, the store
 * is under the one key or under the other, and says so. For the embedded store a file with one key gets
 * a new one first. Nodes that run on PostgreSQL have to know both keys, and say which they know: each goes on
 * with the one that was the store's when it started, so it is called again once all were started again.
 * @throws {MasterKeyError} if there is no key to change to, or a node does not know it
 * @throws {StoreUnavailableError} if there is no such store
 * @throws {StoreLockedError} while a server has the embedded store open
 */
export async function rotateMasterKey(options: StoreOptions): Promise<Rotation> {
  requireStore(options);
  await using store = await openStore(options);
  const { isShared } = store.dialect;
  let found = await readMasterKeys(options);
  if (found === null) throw new MasterKeyError('the master key is gone');
  const isLast = keyIdOf(found.keys.at(-1) ?? Buffer.alloc(0)) === store.sealer.keyId;
  if (isLast && !isShared && found.file !== null) found = addMasterKey(found.file);
  else if (isLast && (found.keys.length === 1 || !isShared)) {
    throw new MasterKeyError(
      `there is no key to change to: write a new one in a line after the old one, where ${found.place} has it${isShared ? ', for every node, and start each again' : ''}`,
    );
  }
  const key = found.keys.at(-1) ?? Buffer.alloc(0);
  const sealer = new Sealer(key, found.keys.slice(0, -1));
  // Not serialisable: passwords stand in rows that are written all the time.
  const sealedAgain = await store.lockingTransaction(async (tx) => {
    // A node that is about to say which keys it knows waits, and then sees what is the store's own.
    await store.dialect.lockTables(tx, ['nodes']);
    await refuseUnknown(tx, store.dialect, sealer.keyId);
    await facts.set(tx, 'masterKeyId', sealer.keyId);
    return sealAgain(tx, sealer);
  });
  return {
    masterKeyId: sealer.keyId,
    previousMasterKeyId: store.sealer.keyId,
    sealedAgain,
  };
}

/** @throws {MasterKeyError} naming the nodes that could not open what is sealed under that key */
async function refuseUnknown(tx: Executor, dialect: StoreDialect, keyId: string): Promise<void> {
  if (!dialect.isShared) return;
  const lacking = (await nodes.listHeardOf(tx, dialect, HEARD_OF_MS))
    .filter(({ key_ids }) => !(JSON.parse(key_ids) as string[]).includes(keyId))
    .map(({ id, url }) => url ?? `${id}, which other nodes do not reach`);
  if (lacking.length === 0) return;
  throw new MasterKeyError(
    `nothing was changed: the master key with the id ${keyId} is not known to the server nodes ${lacking.join(' and ')}, which run. Put it in a line after the old one for them, and start them again; a node that was killed counts for a minute`,
  );
}
