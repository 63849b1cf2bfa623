import { setTimeout as delay } from 'node:timers/promises';
import type { MongoDB } from '@linkspan/testkit/mongodb.ts';
import { expect } from 'vitest';

/** So many documents that a copy at {@link STEADILY} takes seconds: long enough for something in the middle. */
export const ROWS = 8000;

/** The same of a copy at full speed. */
export const MANY_ROWS = 20_000;

/** Of whatever a test has started. */
export interface BothSides {
  readonly source: MongoDB;
  readonly destination: MongoDB;
}

/**
 * A start after which there are seconds for something to happen in the middle, however fast the destination is
 * and however long a busy machine keeps a test from looking. Lifted where a test waits for the rest.
 */
export const STEADILY = { throttle: { documentsPerSecond: 1000 } } as const;

const PADDING = 'x'.repeat(500);

/** Fills `app.rows` at the source. */
export async function loadRows(pair: BothSides, count = ROWS): Promise<void> {
  const rows = pair.source.client().db('app').collection<{ _id: number; padding: string }>('rows');
  for (let first = 0; first < count; first += 2000) {
    const batch = Array.from({ length: 2000 }, (_, index) => ({
      _id: first + index,
      padding: PADDING,
    }));
    await rows.insertMany(batch, { writeConcern: { w: 'majority', j: true } });
  }
}

/** Waits until some of the copy is at the destination and some is not. */
export async function inMidCopy(pair: BothSides, atLeast: number, of = ROWS): Promise<void> {
  const rows = pair.destination.client().db('app').collection('rows');
  for (;;) {
    const count = await rows.estimatedDocumentCount();
    if (count >= atLeast) {
      expect(count, 'the copy was over before anything could happen').toBeLessThan(of);
      return;
    }
    await delay(10);
  }
}

/**
 * Writes a marker to the destination, and reads its own change stream behind it for some time. Fails if
 * anything of `app.rows` is written there (invariant I1).
 * @param meanwhile runs once the marker is there: what might still bring something
 */
export async function expectNothingAfter(
  pair: BothSides,
  quietMs = 3000,
  meanwhile: () => Promise<void> = async () => {},
): Promise<void> {
  const database = pair.destination.client().db('markers');
  const markers = database.collection('m');
  await using stream = pair.destination.client().watch();
  const seen: string[] = [];
  let isWatching = false;
  const first = stream.next().finally(() => (isWatching = true));
  // The first may come before the stream is there.
  while (!isWatching) {
    await markers.insertOne({ at: 'after the answer' });
    await Promise.race([first, delay(100)]);
  }
  seen.push(JSON.stringify(await first));
  await meanwhile();
  await delay(quietMs);
  await markers.insertOne({ at: 'later' });
  for (;;) {
    const event = await stream.next();
    seen.push(JSON.stringify(event));
    if (seen.length > 1 && seen.at(-1)?.includes('"later"')) break;
  }
  expect(seen.filter((event) => event.includes('"rows"')).length).toBe(0);
  await database.dropDatabase();
}
