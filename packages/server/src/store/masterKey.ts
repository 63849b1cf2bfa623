import type { Executor } from './executor.ts';
import * as facts from './facts.ts';
import {
  makeMasterKey,
  MasterKeyError,
  type MasterKeyPlace,
  type MasterKeys,
  readMasterKeys,
} from './masterKeySource.ts';
import { countByKey } from './sealedValues.ts';
import { keyIdOf, Sealer } from './sealing.ts';
import type { Store } from './store.ts';

/**
 * Takes the key that is this store's own from where keys are looked for, and makes it the store's own
 * where it has none. A server with another key would start and then refuse every request; two nodes
 * with a key each would not read each other's secrets. Where the place holds more keys, what they
 * have sealed opens, too: so keys are changed under nodes that run. A key is made in the data
 * directory on first use, and never where sealed rows exist, which it could not open (rule C8).
 * @throws {MasterKeyError} naming the place and what to do
 */
export async function openSealer(place: MasterKeyPlace, db: Executor): Promise<Sealer> {
  const sealed = await countByKey(db);
  const isNew = (await facts.find(db, 'masterKeyId')) === null && sealed.size === 0;
  const found = (await readMasterKeys(place)) ?? (isNew ? await makeMasterKey(place) : null);
  if (found === null) {
    throw new MasterKeyError(
      `the master key file master.key is missing in ${place.dataDirectory}, but the store holds secrets sealed under it: put the file back, or name it with --master-key-file`,
    );
  }
  // One that says nothing of its key is from before stores did.
  const [fallback = keyIdOf(found.keys[0] ?? Buffer.alloc(0))] = sealed.keys();
  const own = await facts.claim(db, 'masterKeyId', fallback);
  const needed = new Set([own, ...sealed.keys()]);
  const known = new Map(found.keys.map((key) => [keyIdOf(key), key]));
  const key = known.get(own);
  const missing = [...needed].filter((id) => !known.has(id));
  if (key === undefined || missing.length > 0) throw wrongKey(found, missing, [...known.keys()]);
  return new Sealer(
    key,
    found.keys.filter((other) => other !== key),
  );
}

/**
 * For a node that has said which keys it knows: from then on no change of the key passes it over, but one
 * may have come right before.
 * @throws {MasterKeyError} if the store has changed to a key that it does not know
 */
export async function requireOwnKey({ db, sealer }: Pick<Store, 'db' | 'sealer'>): Promise<void> {
  const own = await facts.find(db, 'masterKeyId');
  if (own === null || sealer.keyIds.includes(own)) return;
  throw new MasterKeyError(
    `the store was changed to the master key with the id ${own} while this node started, and it knows ${sealer.keyIds.join(', ')}: put that key in a line after the one before, and start it again`,
  );
}

function wrongKey({ place }: MasterKeys, missing: string[], known: string[]): MasterKeyError {
  return new MasterKeyError(
    `the store's secrets are sealed under another master key than that in ${place.replace(/^the file /, '')}: it needs the one with the id ${missing.join(' and that with the id ')}, and there is ${known.join(', ')}. Put the right one there, or name its file with --master-key-file`,
  );
}
