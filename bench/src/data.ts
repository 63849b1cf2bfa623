import type { MongoClient } from 'mongodb';

export const BENCH_DB = 'bench';
export const BENCH_COLLECTION = 'documents';
export const DOCUMENTS = 60_000;

const BATCH = 2000;

/**
 * 60,000 documents of about 0.95 KB with text that compresses as people's data does (about five to
 * one), numbers, dates and small arrays. Made from their number alone: every run has the same.
 */
export async function loadDocuments(client: MongoClient): Promise<void> {
  const collection = client.db(BENCH_DB).collection<{ _id: number }>(BENCH_COLLECTION);
  for (let first = 0; first < DOCUMENTS; first += BATCH) {
    const batch = Array.from({ length: BATCH }, (_, index) => makeDocument(first + index));
    await collection.insertMany(batch, { ordered: false });
  }
}

function makeDocument(number: number) {
  const random = randomFrom(number);
  const word = (): string => WORDS[Math.floor(random() * WORDS.length)] ?? 'harbour';
  return {
    _id: number,
    customer: `${word()} ${word()} ${Math.floor(random() * 1e6)}`,
    placedAt: new Date(1_700_000_000_000 + Math.floor(random() * 1e10)),
    total: Math.round(random() * 1e5) / 100,
    tags: Array.from({ length: 5 }, word),
    lines: Array.from({ length: 6 }, (_, line) => ({
      line,
      article: `${word()}-${Math.floor(random() * 1e4)}`,
      quantity: Math.floor(random() * 20),
      price: Math.round(random() * 1e4) / 100,
    })),
    note: Array.from({ length: 45 }, word).join(' '),
  };
}

const WORDS = (
  'anchor barge berth buoy cargo channel cleat crane deck dock draught ferry freight gangway ' +
  'harbour hatch hawser hull jetty keel ladder lock manifest mast mooring pier pilot port quay ' +
  'ramp rope rudder sail sheet shore span stern tide tow vessel wharf winch yard'
).split(' ');

/** mulberry32: small, even, and the same on every machine. */
function randomFrom(seed: number): () => number {
  let state = seed * 2_654_435_761;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
