import { BSON, type Document } from 'mongodb';
import { keyOf } from '@linkspan/contract/bson/raw.ts';
import { comparableKey } from '@linkspan/contract/bson/comparableKey.ts';
import { formatNamespace } from '@linkspan/contract/push/namespaces.ts';
import type { Incarnation } from '../journal/incarnations.ts';
import { readCommand } from '../source/cursor.ts';
import { readRange } from '../source/reader.ts';
import { type MigrationContext, persist } from './context.ts';

/** Samples for each bound: their spread evens out the sizes of ranges. */
const SAMPLES_PER_BOUND = 10;

/** A server that takes longer than this to begin in the middle does not gain from ranges. */
const SLOW_START_MS = 250;

/**
 * Where to cut a collection into ranges of about `rangeBytes`, as raw keys in the order of `_id`:
 * none for what is small, and none where the server is slow to begin in the middle, since it then
 * reads everything for each range (measured, not guessed by version).
 */
export async function planRanges(
  context: MigrationContext,
  incarnation: Incarnation,
): Promise<Buffer[]> {
  const { options } = context;
  const count = Math.min(
    options.rangesAtMost,
    Math.floor(incarnation.bytesTotal / options.rangeBytes),
  );
  if (count < 2) return [];
  return persist(context, `sampling ${formatNamespace(incarnation.source)}`, async () => {
    const sorted = await sampleKeys(context, incarnation, count * SAMPLES_PER_BOUND);
    const bounds = pickBounds(sorted, count);
    const middle = bounds[Math.floor(bounds.length / 2)];
    if (middle === undefined || (await isSlowToBegin(context, incarnation, middle))) return [];
    return bounds;
  });
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
    for (const document of documents) keys.push(Buffer.from(keyOf(document)));
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

async function isSlowToBegin(
  { source, log }: MigrationContext,
  { source: namespace }: Incarnation,
  lower: Buffer,
): Promise<boolean> {
  const started = performance.now();
  for await (const _ of readRange(source, namespace, { lower, upper: null }, 0n, () => 1)) break;
  const milliseconds = performance.now() - started;
  if (milliseconds <= SLOW_START_MS) return false;
  log.info(
    { namespace: formatNamespace(namespace), milliseconds: Math.round(milliseconds) },
    'the source is slow to begin in the middle of a collection: copied in one range',
  );
  return true;
}

/** For logs and errors: a key in words, shortened. */
export function describeKey(key: Buffer): string {
  const text = JSON.stringify(BSON.deserialize(key)['_id']) ?? 'undefined';
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}
