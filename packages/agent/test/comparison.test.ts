import { keyOf } from '@linkspan/contract/bson/raw.ts';
import { chunkDigest, documentDigest } from '@linkspan/contract/push/digest.ts';
import { serialize } from 'bson';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Compared, Comparison, type DestinationReads } from '../src/migration/comparison.ts';
import { DEFAULT_OPTIONS } from '../src/migration/context.ts';

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

interface Way {
  /** Of the source, in one call. */
  readonly chunk: number;
  readonly keepAtMost?: number;
  /** True where it stops, and another goes on from what is journaled. */
  readonly isCutAt?: (chunks: number, settled: number) => boolean;
}

/** Compares everything. */
async function compare(
  here: Documents,
  there: Documents,
  { chunk, keepAtMost = DEFAULT_OPTIONS.unmatchedAtMost, isCutAt = () => false }: Way,
) {
  const suspects = new Set<string>();
  let position: Buffer | null = null;
  let documents = 0;
  let chunks = 0;
  let settled = 0;
  let equalChunks = 0;
  let mostAtOnce = 0;
  const settle = (part: Compared): void => {
    position = part.position ?? position;
    documents += part.documents;
    settled += 1;
    mostAtOnce = Math.max(mostAtOnce, part.suspects.length);
    for (const key of part.suspects) suspects.add(key.toString('latin1'));
  };
  /** @returns true at the end, false where it is cut */
  const goOn = async (): Promise<boolean> => {
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
      keepAtMost,
    );
    const source = inOrder(here, position);
    while (source.length > 0) {
      for await (const part of comparison.add(source.splice(0, chunk))) {
        settle(part);
        if (isCutAt(chunks, settled)) return false;
      }
      settle(comparison.take());
      chunks += 1;
      if (isCutAt(chunks, settled)) return false;
    }
    for await (const part of comparison.finish()) {
      settle(part);
      if (isCutAt(chunks, settled)) return false;
    }
    settle(comparison.take());
    return true;
  };
  while (!(await goOn()));
  return { suspects, documents, equalChunks, mostAtOnce };
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
        fc.constantFrom(2, 20, 1000),
        async (a, b, chunk, cutEvery, keepAtMost) => {
          const [here, there] = [asDocuments(a), asDocuments(b)];
          const wanted = differing(here, there);
          const whole = await compare(here, there, { chunk, keepAtMost });
          expect([...whole.suspects]).toEqual(expect.arrayContaining(wanted));
          expect(whole.documents).toBe(here.size);
          // Each part gets further, or there would be no end.
          const isCutAt = (_: number, settled: number): boolean =>
            settled % cutEvery === 0 && settled < 40;
          const cut = await compare(here, there, { chunk, keepAtMost, isCutAt });
          expect([...cut.suspects]).toEqual(expect.arrayContaining(wanted));
          expect(cut.documents).toBe(here.size);
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
    const { suspects, equalChunks } = await compare(here, there, { chunk: 10 });
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
      const missing = await compare(full, holed, { chunk: 1000 });
      expect(missing.suspects.size).toBeGreaterThanOrEqual(60_000);
      expect(missing.suspects.size).toBeLessThan(64_000);
      const extra = await compare(holed, full, { chunk: 1000 });
      expect(extra.suspects.size).toBeGreaterThanOrEqual(60_000);
      expect(extra.equalChunks).toBeGreaterThan(0);
    },
  );

  it.each([
    { where: 'in front', ahead: 0 },
    { where: 'in the middle', ahead: 12_000 },
    { where: 'at the end', ahead: 24_000 },
  ])(
    'I6: hands out on the way what the destination alone has, $where',
    { timeout: 60_000 },
    async ({ ahead }) => {
      const isExtra = (_id: number): boolean => _id >= ahead && _id < ahead + 100_000;
      const there = new Map(
        Array.from({ length: 124_000 }, (_, _id): [number, string] => [_id, 'a']),
      );
      const here = new Map([...there].filter(([_id]) => !isExtra(_id)));
      const { suspects, documents, mostAtOnce } = await compare(here, there, {
        chunk: 200,
        keepAtMost: 10_000,
      });
      expect(mostAtOnce).toBeLessThan(22_000);
      expect(documents).toBe(24_000);
      const missed = [...there.keys()].filter((_id) => isExtra(_id) && !suspects.has(rawKey(_id)));
      expect(missed).toEqual([]);
      expect(suspects.size).toBe(100_000);
    },
  );

  it('I6: long keys count for as many as they hold', async () => {
    const long = Array.from({ length: 4000 }, (_, n) =>
      Buffer.from(serialize({ _id: `${String(n).padStart(6, '0')}${'k'.repeat(2000)}` })),
    );
    const rest = [...long];
    const reads: DestinationReads = {
      async digest({ limit }) {
        const chunk = rest.splice(0, Math.min(limit, 50));
        const documents = chunk.map((one) => ({ key: keyOf(one), hash: documentDigest(one) }));
        const cursor = rest.length === 0 ? null : 'walk';
        return { cursor, count: chunk.length, equal: false, documents };
      },
      keyDigests: async () => ({ documents: [] }),
    };
    const keepAtMost = 2000;
    const comparison = new Comparison(reads, { db: 'app', coll: 'a' }, null, keepAtMost);
    let mostBytes = 0;
    let found = 0;
    for await (const { suspects } of comparison.finish()) {
      mostBytes = Math.max(mostBytes, Buffer.concat(suspects).length);
      found += suspects.length;
    }
    expect(found + comparison.take().suspects.length).toBe(long.length);
    expect(mostBytes).toBeGreaterThan(0);
    expect(mostBytes).toBeLessThan(1.5 * keepAtMost * 128);
  });

  it.each([
    { kind: 'long', keyBytes: 200_000, byte: 'k', asked: true },
    { kind: 'such that no command names them', keyBytes: 3000, byte: '\u00ff', asked: false },
  ])(
    'D19: suspects keys that the destination lacks and that are $kind',
    async ({ keyBytes, byte, asked }) => {
      const documents = Array.from({ length: 120 }, (_, n) => {
        const text = `${String(n).padStart(6, '0')}${'k'.repeat(keyBytes)}`;
        const document = serialize({ _id: text });
        return Buffer.from(
          Buffer.from(document).toString('latin1').replaceAll('k', byte),
          'latin1',
        );
      });
      const sizes: number[] = [];
      const reads: DestinationReads = {
        digest: async () => ({ cursor: 'walk', count: 0, equal: false, documents: [] }),
        async keyDigests({ keys }) {
          sizes.push(Buffer.concat(keys).length);
          return { documents: [] };
        },
      };
      const comparison = new Comparison(reads, { db: 'app', coll: 'a' }, null, 1000);
      for await (const part of comparison.add(documents)) expect(part.suspects).toEqual([]);
      expect(comparison.take().suspects).toHaveLength(documents.length);
      expect(sizes.length > 0).toBe(asked);
      for (const size of sizes) expect(size).toBeLessThan(9 * 1024 * 1024);
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
      const isCutAt = (chunks: number): boolean => {
        const stops = !hasStopped && chunks === 51;
        hasStopped ||= stops;
        return stops;
      };
      const { suspects } = await compare(here, there, { chunk: 1000, isCutAt });
      expect(suspects).toContain(rawKey(100_005));
    },
  );
});
