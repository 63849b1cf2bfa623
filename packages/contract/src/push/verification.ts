import Type, { type Static } from 'typebox';

import { closed, Count } from './schemas.ts';

const Time = Type.Union([Type.String({ format: 'date-time' }), Type.Null()]);

/**
 * What of a migration was compared with the destination, by digests over raw bytes, and what was found
 * (rule D19): the verification that goes on, or the last one. A part of progress since version 3.
 */
export const Verification = Type.Object(
  {
    /** By the migration host's clock; null before. */
    begun: Time,
    /** When all collections were compared and equal; null until then, and while they are not. */
    ended: Time,
    /**
     * All collections but capped ones are compared, and nothing is known to differ. Capped ones are
     * compared at the cutover.
     */
    complete: Type.Boolean(),
    /** Why everything is compared again and repaired, or null. */
    repair: Type.Union([Type.Enum(['HISTORY_LOST', 'HOST_REPLACED', 'REQUESTED']), Type.Null()]),
    collectionsTotal: Count,
    collectionsVerified: Count,
    /** Of the source; the total is an estimate until all are compared. */
    documentsTotal: Count,
    documentsVerified: Count,
    /** Keys that were compared by themselves, and those that are to be, since they were pushed lately. */
    keysVerified: Count,
    keysPending: Count,
    differencesFound: Count,
    differencesRepaired: Count,
    /** How often the source had lost the history after the last change that was read. */
    historyLosses: Count,
    /** Those with differences first, then those that are not verified; 100 at most. */
    collections: Type.Array(
      Type.Object(
        {
          db: Type.String(),
          coll: Type.String(),
          verified: Type.Boolean(),
          documentsVerified: Count,
          differencesFound: Count,
          differencesRepaired: Count,
        },
        closed,
      ),
      { maxItems: 100 },
    ),
  },
  closed,
);
export type Verification = Static<typeof Verification>;

/**
 * What a cutover compares: what was not compared before and what changed since (CHANGED), or everything
 * once more while the source stands still (FULL).
 */
export const CutoverVerification = Type.Enum(['CHANGED', 'FULL']);
export type CutoverVerification = Static<typeof CutoverVerification>;
