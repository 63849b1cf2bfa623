import type { Verification } from '@linkspan/contract/push/verification.ts';
import type { Journal } from '../journal/journal.ts';

const LISTED_AT_MOST = 100;

/** What was compared and found, from the journal. */
export function reportVerification(journal: Journal): Verification {
  const { verifications, keysToVerify } = journal;
  const { begun, ended, repair, keysCompared } = verifications.run();
  const totals = verifications.totals();
  const complete =
    begun !== null &&
    (journal.state()?.listedAt ?? null) !== null &&
    verifications.isComplete(false);
  const time = (ms: number | null): string | null =>
    ms === null ? null : new Date(ms).toISOString();
  return {
    begun: time(begun),
    ended: complete ? time(ended) : null,
    complete,
    repair,
    collectionsTotal: totals.collections,
    collectionsVerified: totals.collectionsDone,
    documentsTotal: totals.documentsTotal,
    documentsVerified: totals.documents,
    keysVerified: keysCompared,
    keysPending: keysToVerify.count(),
    differencesFound: totals.found,
    differencesRepaired: totals.repaired,
    historyLosses: journal.state()?.historyLosses ?? 0,
    collections: verifications
      .list(LISTED_AT_MOST)
      .map(({ db, coll, done, documents, found, repaired }) => ({
        db,
        coll,
        verified: done,
        documentsVerified: documents,
        differencesFound: found,
        differencesRepaired: repaired,
      })),
  };
}
