import Type, { type Static } from 'typebox';

import { closed, Count, Nullable } from './schemas.ts';
import { Verification } from './verification.ts';

/** How far a migration is. */

/** Phases of a running migration, in order; a failed cutover goes back to TAILING. */
export const Phase = Type.Union([
  Type.Literal('STARTING'),
  Type.Literal('COPYING'),
  Type.Literal('INDEXING'),
  Type.Literal('TAILING'),
  Type.Literal('DRAINING'),
  Type.Literal('VERIFYING'),
  Type.Literal('FINALIZING'),
  Type.Literal('COMPLETE'),
]);
export type Phase = Static<typeof Phase>;

/** Amounts a second over the last minute, of what the destination acknowledged. */
export const Rates = Type.Object(
  {
    /** Copied for the first time. */
    documentsPerSecond: Type.Number({ minimum: 0 }),
    /** Of documents before compression, copied and changed ones. */
    bytesPerSecond: Type.Number({ minimum: 0 }),
    /** Changed documents and deletes. */
    changesPerSecond: Type.Number({ minimum: 0 }),
    /** Sent after compression, attempts included that were not acknowledged. */
    wireBytesPerSecond: Type.Number({ minimum: 0 }),
  },
  closed,
);
export type Rates = Static<typeof Rates>;

/**
 * What a migration would be faster without: reading the SOURCE, the NETWORK to the server and what it
 * does there, writing to the DESTINATION, its THROTTLE (since version 3), or WAITING for what
 * `waitingFor` names.
 */
export const HoldingBack = Type.Enum(['SOURCE', 'NETWORK', 'DESTINATION', 'THROTTLE', 'WAITING']);
export type HoldingBack = Static<typeof HoldingBack>;

/**
 * `POST /sessions/{id}/report`: progress, counted from what the destination acknowledged (I8). 204.
 * `POST /migrations/{id}/paused`: the same of a paused migration, which has no session. 204.
 */
export const Progress = Type.Object(
  {
    phase: Phase,
    /** Seconds between the source's clock and the moment up to which all is at the destination. */
    lagSeconds: Nullable(Count),
    readyForCutover: Type.Boolean(),
    documentsCopied: Count,
    documentsTotal: Count,
    bytesCopied: Count,
    bytesTotal: Count,
    /** Keys known to have changed at the source and not yet at the destination. */
    keysPending: Count,
    /** Documents pushed after the copy of their collection. */
    documentsFlushed: Count,
    /** What the migration is waiting for now, in words, or null. */
    waitingFor: Nullable(Type.String({ maxLength: 500 })),
    warnings: Type.Array(Type.String({ maxLength: 500 }), { maxItems: 100 }),
    /** null while there is too little to tell them from, and while it is paused. */
    rates: Type.Optional(Nullable(Rates)),
    /** Seconds until the copy is done, or until no change is pending; null where that cannot be told. */
    etaSeconds: Type.Optional(Nullable(Count)),
    /** null where there is nothing to do, or it cannot be told. */
    holdingBack: Type.Optional(Nullable(HoldingBack)),
    /** Absent before version 3. */
    verification: Type.Optional(Verification),
    /** Whether this host has recorded a write block at the source; absent: nothing new is known of it. */
    sourceWriteBlock: Type.Optional(Type.Boolean()),
    /** How many there are, listed or not, and how many of them are copied. */
    collectionsTotal: Type.Optional(Count),
    collectionsCopied: Type.Optional(Count),
    /** The collections with most left to do come first; not all of many are listed. */
    collections: Type.Array(
      Type.Object(
        {
          db: Type.String(),
          coll: Type.String(),
          state: Type.Union([
            Type.Literal('PENDING'),
            Type.Literal('COPYING'),
            Type.Literal('COPIED'),
          ]),
          documentsCopied: Count,
          documentsTotal: Count,
          bytesCopied: Count,
          bytesTotal: Count,
        },
        closed,
      ),
      { maxItems: 1000 },
    ),
  },
  closed,
);
export type Progress = Static<typeof Progress>;
