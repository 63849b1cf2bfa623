import type { Journal } from '../journal/journal.ts';

/**
 * A collection is made and copied again: where its natural order is in doubt, and where it has got a cap
 * that no `collMod` gives (rule D12).
 * @param cap what caps it now
 */
export function requestRecopy(journal: Journal, id: number, cap: string | null): void {
  journal.transaction(() => {
    journal.incarnations.update(id, { state: 'PENDING', toRecopy: true, capped: cap });
    journal.ranges.clear(id);
    journal.verifications.restart(id);
    // What differed there goes with it, and of a capped one nobody decides a key by itself.
    journal.keysToVerify.clear(id);
    journal.dirty.shareLane(id);
  });
}
