import type { Journal } from '../journal/journal.ts';

/**
 * A collection is made and copied again: where its natural order is in doubt, and where it has got a cap
 * that no `collMod` gives (rule D12); not one that has ended at the source.
 * @param cap what caps it now
 */
export function requestRecopy(journal: Journal, id: number, cap: string | null): void {
  journal.transaction(() => {
    if (journal.incarnations.get(id)?.state === 'ENDED') return;
    journal.incarnations.update(id, { state: 'PENDING', toRecopy: true, capped: cap });
    forgetCopied(journal, id);
    // Of a capped one nobody decides a key by itself.
    journal.dirty.shareLane(id);
  });
}

/**
 * A collection that is not at the destination any more is made and copied as one that never was there,
 * unless it has ended at the source.
 */
export function requestCopy(journal: Journal, id: number): void {
  journal.transaction(() => {
    journal.incarnations.update(id, { destination: null, toRecopy: false });
    if (journal.incarnations.get(id)?.state === 'ENDED') return;
    journal.incarnations.update(id, { state: 'PENDING', toReconcile: true });
    forgetCopied(journal, id);
  });
}

/** What differed at the destination goes with what was copied there. */
function forgetCopied(journal: Journal, id: number): void {
  journal.ranges.clear(id);
  journal.verifications.restart(id);
  journal.keysToVerify.clear(id);
}
