import { setImmediate } from 'node:timers/promises';
import type { Compared } from './comparison.ts';
import type { MigrationContext } from './context.ts';

/** Keys that one transaction notes: all else that the agent does waits for it. */
const KEYS_AT_ONCE = 5000;

/**
 * Journals what a walk has come to (rule D19): in several transactions where it suspects many keys, with
 * its new place in the last of them. A crash between two of them leaves keys that are compared by
 * themselves, and that the walk finds once more.
 * @returns false if that walk does not count any more
 */
export async function noteCompared(
  { journal, work }: Pick<MigrationContext, 'journal' | 'work'>,
  { id, walk }: { id: number; walk: number },
  { position, documents, suspects }: Compared,
  isWhole: boolean,
): Promise<boolean> {
  const { verifications, keysToVerify } = journal;
  let noted = 0;
  for (; suspects.length - noted > KEYS_AT_ONCE; noted += KEYS_AT_ONCE) {
    const some = suspects.slice(noted, noted + KEYS_AT_ONCE);
    const isCurrent = journal.transaction(() => {
      if (!verifications.advance(id, walk, null, 0)) return false;
      keysToVerify.suspect(id, some);
      return true;
    });
    if (!isCurrent) return false;
    work.notify();
    await setImmediate();
  }
  const isCurrent = journal.transaction(() => {
    if (!verifications.advance(id, walk, position, documents)) return false;
    keysToVerify.suspect(id, suspects.slice(noted));
    if (isWhole) verifications.finish(id, walk);
    return true;
  });
  if (suspects.length > 0 || isWhole) work.notify();
  return isCurrent;
}
