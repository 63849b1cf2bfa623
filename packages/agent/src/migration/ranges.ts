import { BSON, type Document } from 'mongodb';
import { isExact } from '@linkspan/contract/bson/ordered.ts';
import { keyOf } from '@linkspan/contract/bson/raw.ts';
import { comparableKey } from '@linkspan/contract/bson/comparableKey.ts';
import { formatNamespace } from '@linkspan/contract/push/namespaces.ts';
import type { Incarnation } from '../journal/incarnations.ts';
import { readCommand } from '../source/cursor.ts';
import type { CollectionStatistics } from '../source/statistics.ts';
import { type EngineOptions, type MigrationContext, persist } from './context.ts';

/** Samples for each bound: their spread evens out the sizes of ranges. */
const SAMPLES_PER_BOUND = 10;

/** How many ranges a collection is worth. */
export function rangesFor(size: CollectionStatistics | null, options: EngineOptions): number {
  const wanted = Math.floor((size?.bytes ?? 0) / options.rangeBytes);
  return Math.max(1, Math.min(options.rangesAtMost, wanted));
}

/** Where to cut a collection into that many ranges, as raw keys in the order of `_id`. */
export async function planRanges(
  context: MigrationContext,
  incarnation: Incarnation,
): Promise<Buffer[]> {
  const count = rangesFor(await context.sizes.of(incarnation), context.options);
  const sorted = await persist(context, `sampling ${formatNamespace(incarnation.source)}`, () =>
    sampleKeys(context, incarnation, count * SAMPLES_PER_BOUND),
  );
  return pickBounds(sorted, count);
}

/** The server sorts: the order of `_id` may follow a collation. */
async function sampleKeys(
  { source }: MigrationContext,
  { source: { db, coll } }: Incarnation,
  size: number,
): Promise<Buffer[]> {
  const command: Document = {
    aggregate: coll,
    pipeline: [{ $sample: { size } }, { $project: { _id: 1 } }, { $sort: { _id: 1 } }],
    cursor: {},
    readConcern: { level: 'majority' },
  };
  const keys: Buffer[] = [];
  for await (const { documents } of readCommand(source, db, command, () => size)) {
    // What no command can name is no bound.
    keys.push(...documents.map((document) => keyOf(document)).filter(isExact));
  }
  return keys;
}

/** Evenly spaced, without two that compare equal. */
export function pickBounds(sorted: readonly Buffer[], count: number): Buffer[] {
  const bounds: Buffer[] = [];
  let last: Buffer | undefined;
  for (let number = 1; number < count; number += 1) {
    const bound = sorted[Math.floor((number * sorted.length) / count)];
    if (bound === undefined) continue;
    const comparable = comparableKey(bound);
    if (last !== undefined && comparable.equals(last)) continue;
    bounds.push(bound);
    last = comparable;
  }
  return bounds;
}

/** For logs and errors: a key in words, shortened. */
export function describeKey(key: Buffer): string {
  const text =
    JSON.stringify(BSON.deserialize(key, { validation: { utf8: false } })['_id']) ?? 'undefined';
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}
