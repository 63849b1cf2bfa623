import { MongoClient } from 'mongodb';
import { documentSequence } from '@linkspan/server/destination/documentSequence.ts';
import { BENCH_COLLECTION, BENCH_DB } from './data.ts';

/**
 * The least that any copy must do: one process and the driver, raw reads, raw inserts with the same
 * write concern, two in flight. Prints its CPU seconds and peak RSS in bytes as JSON. Run by `copy.ts`
 * as a process of its own, with the two connection strings in its environment.
 */
const BATCH = 1000;
const IN_FLIGHT = 2;

await using source = new MongoClient(process.env['BENCH_SOURCE'] ?? '');
await using destination = new MongoClient(process.env['BENCH_DESTINATION'] ?? '');
const inFlight = new Set<Promise<void>>();

async function insert(documents: readonly Uint8Array[]): Promise<void> {
  await destination.db(BENCH_DB).command({
    insert: BENCH_COLLECTION,
    documents: documentSequence('documents', documents),
    ordered: false,
    bypassDocumentValidation: true,
    writeConcern: { w: 'majority', j: true },
  });
}

async function send(documents: readonly Uint8Array[]): Promise<void> {
  while (inFlight.size >= IN_FLIGHT) await Promise.race(inFlight);
  const push = insert(documents).finally(() => inFlight.delete(push));
  inFlight.add(push);
}

const cursor = source
  .db(BENCH_DB)
  .collection(BENCH_COLLECTION)
  .find({}, { raw: true, batchSize: BATCH });
let batch: Uint8Array[] = [];
for await (const document of cursor) {
  batch.push(document as unknown as Uint8Array);
  if (batch.length === BATCH) {
    await send(batch);
    batch = [];
  }
}
if (batch.length > 0) await send(batch);
await Promise.all(inFlight);

const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
console.log(
  JSON.stringify({ cpuSeconds: (userCPUTime + systemCPUTime) / 1e6, rssBytes: maxRSS * 1024 }),
);
