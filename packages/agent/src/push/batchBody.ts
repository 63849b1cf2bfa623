import { promisify } from 'node:util';
import { constants, zstdCompress } from 'node:zlib';

import type { BatchHeader } from '@linkspan/contract/push/batch.ts';
import { serialize } from 'bson';

import type { DocumentBatch } from './pusher.ts';

const compress = promisify(zstdCompress);

/** Level 1: the hop is limited by processor time before it is limited by the wire. */
const ZSTD = { [constants.ZSTD_c_compressionLevel]: 1 };

/** Node's own pieces are 16 KiB: fewer and larger ones cost less to collect. */
const SMALLEST_PIECE = 64 * 1024;

/**
 * A batch as it is sent: its header and its documents, compressed by zstd.
 * @param seq its number in its lane
 */
export async function compressed(
  { op, db, coll, buckets, lane, documents }: DocumentBatch,
  seq: number,
): Promise<Buffer> {
  const kind = buckets && { buckets };
  const header = serialize({ op, db, coll, ...kind, lane, seq } satisfies BatchHeader);
  const bytes = Buffer.concat([header, ...documents]);
  const chunkSize = Math.max(SMALLEST_PIECE, bytes.length >> 2);
  return compress(bytes, { params: ZSTD, chunkSize });
}
