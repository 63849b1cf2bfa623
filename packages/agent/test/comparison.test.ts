import { keyOf } from '@linkspan/contract/bson/raw.ts';
import { chunkDigest, documentDigest } from '@linkspan/contract/push/digest.ts';
import { serialize } from 'bson';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Comparison, type DestinationReads } from '../src/migration/comparison.ts';

/** What one side holds, as number of the key → text; keys are in the order of their numbers. */
type Documents = ReadonlyMap<number, string>;

const raw = (_id: number, text: string): Buffer => Buffer.from(serialize({ _id, text }));
const rawKey = (_id: number): string => Buffer.from(serialize({ _id })).toString('latin1');

function inOrder(documents: Documents, after: Buffer | null): Buffer[] {
  const all = [...documents].toSorted(([a], [b]) => a - b).map(([_id, text]) => raw(_id, text));
  const from = after === null ? -1 : after.readInt32LE(after.length - 5);
  return all.filter((document) => keyOf(document).readInt32LE(9) > from);
}

/** A destination as the push protocol shows it. */
function destination(documents: Documents): DestinationReads {
  let rest: Buffer[] = [];
  const describe_ = (document: Buffer) => ({
    key: keyOf(document),
    hash: documentDigest(document),
  });
  return {
    async digest({ cursor, after, limit, expect: wanted }) {
      if (cursor === null) rest = inOrder(documents, after as Buffer | null);
      const chunk = rest.splice(0, limit);
      const equal = wanted !== null && chunkDigest(chunk).equals(wanted);
      return {
        cursor: rest.length === 0 ? null : 'walk',
        count: chunk.length,
        equal,
        documents: equal ? [] : chunk.map(describe_),
      };
    },
    async keyDigests({ keys }) {
      const wanted = new Set(keys.map((key) => Buffer.from(key).toString('latin1')));
      return {
        documents: inOrder(documents, null)
          .filter((document) => wanted.has(keyOf(document).toString('latin1')))
          .map(describe_),
      };
    },
  };
}

/** Keys that differ, in truth. */
function differing(a: Documents, b: Documents): string[] {
  return [...new Set([...a.keys(), ...b.keys()])]
    .filter((key) => a.get(key) !== b.get(key))
    .map(rawKey);
}

/** Compares everything; where `isCutAt`, it stops and another goes on from what is journaled. */
async function compare(
  here: Documents,
  there: Documents,
  chunk: number,
  isCutAt: (chunks: number) => boolean = () => false,
) {
  const suspects = new Set<string>();
  let position: Buffer | null = null;
  let documents = 0;
  let chunks = 0;
  let equalChunks = 0;
  for (;;) {
    const reads = destination(there);
    const comparison = new Comparison(
      {
        ...reads,
        async digest(request) {
          const reply = await reads.digest(request);
          if (reply.equal) equalChunks += 1;
          return reply;
        },
      },
      { db: 'app', coll: 'a' },
      position,
    );
    const settle = (): void => {
      const taken = comparison.take();
      position = taken.position ?? position;
      documents += taken.documents;
      for (const key of taken.suspects) suspects.add(key.toString('latin1'));
    };
    const source = inOrder(here, position);
    let isCut = false;
    while (source.length > 0 && !isCut) {
      await comparison.add(source.splice(0, chunk));
      settle();
      chunks += 1;
      isCut = isCutAt(chunks);
    }
    if (isCut) continue;
    await comparison.finish();
    settle();
    return { suspects, documents, equalChunks };
  }
}

const sides = fc.dictionary(
  fc.integer({ min: 0, max: 120 }).map(String),
  fc.constantFrom('a', 'b'),
  { maxKeys: 100, size: 'max' },
);
const asDocuments = (side: Record<string, string>): Documents =>
  new Map(Object.entries(side).map(([key, text]) => [Number(key), text]));

describe('a comparison', () => {
  it('D19: suspects every key that differs, wherever it lies and however often it goes on', async () => {
    await fc.assert(
      fc.asyncProperty(
        sides,
        sides,
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 2, max: 9 }),
        async (a, b, chunk, cutEvery) => {
          const [here, there] = [asDocuments(a), asDocuments(b)];
          const wanted = differing(here, there);
          const whole = await compare(here, there, chunk);
          expect([...whole.suspects]).toEqual(expect.arrayContaining(wanted));
          expect(whole.documents).toBe(here.size);
          const cut = await compare(here, there, chunk, (chunks) => {
            // Each part gets further, or there would be no end.
            return chunks % cutEvery === 0 && chunks < 40;
          });
          expect([...cut.suspects]).toEqual(expect.arrayContaining(wanted));
        },
      ),
      { numRuns: 100 },
    );
  });

  it('suspects only what differs, and compares chunks again right after it', async () => {
    const here = new Map(Array.from({ length: 1000 }, (_, _id): [number, string] => [_id, 'a']));
    const there = new Map(here);
    there.delete(105);
    there.set(2000, 'extra');
    there.set(507, 'b');
    const { suspects, equalChunks } = await compare(here, there, 10);
    expect([...suspects].toSorted()).toEqual([105, 507, 2000].map(rawKey).toSorted());
    expect(equalChunks).toBeGreaterThan(90);
  });

  it(
    'I6: goes on equal behind more than it keeps that only one side has',
    { timeout: 60_000 },
    async () => {
      const all = Array.from({ length: 75_000 }, (_, _id) => [_id, 'a'] as const);
      const full = new Map(all);
      const holed = new Map(all.filter(([_id]) => _id < 2000 || _id >= 62_000));
      const missing = await compare(full, holed, 1000);
      expect(missing.suspects.size).toBeGreaterThanOrEqual(60_000);
      expect(missing.suspects.size).toBeLessThan(64_000);
      const extra = await compare(holed, full, 1000);
      expect(extra.suspects.size).toBeGreaterThanOrEqual(60_000);
      expect(extra.equalChunks).toBeGreaterThan(0);
    },
  );

  it(
    'D19: leaves nothing behind its position where very many had to be given up',
    { timeout: 60_000 },
    async () => {
      const here = new Map(
        Array.from({ length: 60_000 }, (_, n): [number, string] => [100_000 + n, 'a']),
      );
      const there = new Map(
        Array.from({ length: 60_000 }, (_, n): [number, string] => [n, 'extra']),
      );
      for (const [_id, text] of here) if (_id !== 100_005) there.set(_id, text);
      let hasStopped = false;
      const { suspects } = await compare(here, there, 1000, (chunks) => {
        const stops = !hasStopped && chunks === 51;
        hasStopped ||= stops;
        return stops;
      });
      expect(suspects).toContain(rawKey(100_005));
    },
  );
});
