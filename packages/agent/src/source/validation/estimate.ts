import { promisify } from 'node:util';
import { constants, zstdCompress } from 'node:zlib';
import type { Namespace } from '@linkspan/contract/push/namespaces.ts';
import type { SourceConnection } from '../connection.ts';
import { readCursor } from '../cursor.ts';
import type { ListedNamespace } from '../listing.ts';
import { type MeasuredCollection, measureCollection } from '../statistics.ts';

const compress = promisify(zstdCompress);

/** A sample is of so many bytes at most: enough to see a pace, and no load to speak of. */
const SAMPLE_BYTES = 8 * 1024 * 1024;
/** What takes less time than this tells nothing of a pace, in milliseconds. */
const SHORTEST_MS = 5;

export interface Compression {
  readonly bytes: number;
  readonly compressedBytes: number;
  readonly seconds: number;
}

/** Bytes of documents that go through a link in a second: compressed first, then sent. */
export function documentBytesPerSecond(
  { bytes, compressedBytes, seconds }: Compression,
  wireBytesPerSecond: number,
): number {
  return bytes / (seconds + compressedBytes / wireBytesPerSecond);
}

/** Sizes by the source's own bookkeeping, and the pace of a read that was tried. */
export interface SourceSize extends MeasuredCollection {
  readonly collections: number;
  /** Of documents of a sample, by one reader; null where there was too little to read. */
  readonly readBytesPerSecond: number | null;
  readonly sampledBytes: number;
  /** What compression did to the sample; null without one. */
  readonly compression: Compression | null;
}

/** Measures all that is listed, and reads some of the largest collection. */
export async function measureSource(
  source: SourceConnection,
  listed: readonly ListedNamespace[],
): Promise<SourceSize> {
  const sum = { documents: 0, bytes: 0, storageBytes: 0, indexBytes: 0 };
  let largest: { namespace: Namespace; statistics: MeasuredCollection } | null = null;
  const collections = listed.filter(({ type }) => type === 'collection');
  for (const { namespace } of collections) {
    const statistics = await measureCollection(source, namespace);
    for (const key of ['documents', 'bytes', 'storageBytes', 'indexBytes'] as const) {
      sum[key] += statistics[key];
    }
    if (largest === null || statistics.bytes > largest.statistics.bytes) {
      largest = { namespace, statistics };
    }
  }
  const sample = largest === null ? null : await readSample(source, largest);
  return {
    ...sum,
    collections: collections.length,
    readBytesPerSecond: sample?.bytesPerSecond ?? null,
    sampledBytes: sample?.bytes ?? 0,
    compression: sample?.compression ?? null,
  };
}

async function readSample(
  source: SourceConnection,
  { namespace, statistics }: { namespace: Namespace; statistics: MeasuredCollection },
): Promise<{ bytes: number; bytesPerSecond: number | null; compression: Compression } | null> {
  const { documents, bytes: all } = statistics;
  if (documents === 0 || all === 0) return null;
  const limit = Math.max(1, Math.min(documents, Math.floor((SAMPLE_BYTES * documents) / all)));
  const begin = performance.now();
  const find = { find: namespace.coll, limit, batchSize: limit, singleBatch: true };
  const { cursor } = await source.run(namespace.db, find);
  const milliseconds = performance.now() - begin;
  const raw = Buffer.concat(readCursor(cursor).documents);
  if (raw.length === 0) return null;
  const compressing = performance.now();
  const packed = await compress(raw, { params: { [constants.ZSTD_c_compressionLevel]: 1 } });
  return {
    bytes: raw.length,
    bytesPerSecond: milliseconds < SHORTEST_MS ? null : (raw.length / milliseconds) * 1000,
    compression: {
      bytes: raw.length,
      compressedBytes: packed.length,
      seconds: (performance.now() - compressing) / 1000,
    },
  };
}
