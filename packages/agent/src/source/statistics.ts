import type { Namespace } from '@linkspan/contract/push/namespaces.ts';
import type { SourceConnection } from './connection.ts';

/** Sizes by the server's own bookkeeping: good for progress and for planning, not for proof. */
export interface CollectionStatistics {
  readonly documents: number;
  /** Bytes of BSON, uncompressed. */
  readonly bytes: number;
}

/** With what it takes on disk. */
export interface MeasuredCollection extends CollectionStatistics {
  /** Of documents, compressed. */
  readonly storageBytes: number;
  readonly indexBytes: number;
}

/** Zeros where the collection is not there or the server does not say. */
export async function measureCollection(
  source: SourceConnection,
  { db, coll }: Namespace,
): Promise<MeasuredCollection> {
  try {
    const stats = await source.client.db(db).command({ collStats: coll });
    return {
      documents: Number(stats['count'] ?? 0),
      bytes: Number(stats['size'] ?? 0),
      storageBytes: Number(stats['storageSize'] ?? 0),
      indexBytes: Number(stats['totalIndexSize'] ?? 0),
    };
  } catch {
    return { documents: 0, bytes: 0, storageBytes: 0, indexBytes: 0 };
  }
}

/** The number of documents alone, which every server knows sooner than their bytes. */
export async function countDocuments(
  source: SourceConnection,
  { db, coll }: Namespace,
): Promise<number> {
  const counted = await source.client.db(db).command({ count: coll });
  return Number(counted['n'] ?? 0);
}
