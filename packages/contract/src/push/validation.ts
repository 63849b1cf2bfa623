import Type, { type Static } from 'typebox';

import { closed, Count, Nullable } from './schemas.ts';
import { MAX_SAMPLE_BYTES, MAX_SAMPLES } from './structure.ts';

/** What the source side of a validation found. */

/** One thing a validation found. Codes are those of `api/findings.ts`; messages hold no secret. */
export const Finding = Type.Object(
  {
    code: Type.String({ pattern: '^[A-Z][A-Z0-9_]*$' }),
    /** information since version 3. */
    severity: Type.Enum(['error', 'warning', 'information']),
    message: Type.String({ maxLength: 2000 }),
  },
  closed,
);
export type Finding = Static<typeof Finding>;

/** How much a migration would move, and at what pace. Since version 3. */
export const SourceSize = Type.Object(
  {
    collections: Count,
    documents: Count,
    /** On disk at the source, compressed. */
    storageBytes: Count,
    indexBytes: Count,
    /** Of documents, by one reader; null where there was too little to tell it from. */
    readBytesPerSecond: Nullable(Type.Number({ minimum: 0 })),
    sampledBytes: Count,
    /** Of documents, compressed as the sample was, by one sender. */
    linkBytesPerSecond: Nullable(Type.Number({ minimum: 0 })),
    /** From the slower of the two; what the destination takes to write is not in it. */
    copySeconds: Nullable(Count),
  },
  closed,
);
export type SourceSize = Static<typeof SourceSize>;

/**
 * `POST /validations/{id}/probe`, a body of at most {@link PROBE_BYTES} that means nothing: how fast the
 * link is. Answered 204. Since version 3.
 */
export const PROBE_BYTES = 1024 * 1024;

/**
 * `POST /validations/{id}/report`: what the source side found, and what would be written. The
 * server checks the destination side and settles the validation. Answered 204.
 */
export const ValidationReport = Type.Object(
  {
    findings: Type.Array(Finding, { maxItems: 1000 }),
    namespaces: Type.Array(Type.Object({ db: Type.String(), coll: Type.String() }, closed), {
      maxItems: 100_000,
    }),
    dataBytes: Count,
    /** What the source is, to be compared with the destination. Absent before version 3. */
    source: Type.Optional(
      Type.Object(
        {
          mongoDBVersion: Type.String({ maxLength: 64 }),
          featureCompatibilityVersion: Type.String({ maxLength: 64 }),
          replicaSetId: Nullable(Type.String({ maxLength: 64 })),
          /** Of the process that answered. */
          processId: Nullable(Type.String({ maxLength: 64 })),
          /** How far its clock is ahead of the agent's. */
          clockOffsetMs: Nullable(Type.Integer()),
        },
        closed,
      ),
    ),
    size: Type.Optional(SourceSize),
    /** Kinds of options and indexes, to be tried at the destination: `StructureSample`s. Since version 3. */
    samples: Type.Optional(
      Type.Array(Type.String({ maxLength: 2 * MAX_SAMPLE_BYTES }), { maxItems: MAX_SAMPLES }),
    ),
    /** Kinds that are not among them, because there are too many, or they are too large. */
    samplesLeftOut: Type.Optional(Count),
    /** The agent's clock when it sent this, in milliseconds since 1970. */
    sentAt: Type.Optional(Type.Integer()),
  },
  closed,
);
export type ValidationReport = Static<typeof ValidationReport>;
