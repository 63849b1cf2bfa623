import { createHash, hash } from 'node:crypto';

/**
 * `POST /sessions/{id}/digest`: walks one collection of the destination with one cursor in the order
 * of its `_id` index, so that both sides can be compared without asking for many ranges. One BSON
 * document each way.
 *
 * The agent sends the digest of its own next `limit` documents as `expect` when both sides are
 * aligned; if the destination's next documents have the same one, the reply says `equal` and lists
 * nothing. Otherwise the reply lists every document of the chunk.
 */
export interface DigestRequest {
  readonly db: string;
  readonly coll: string;
  /** Walks the buckets of this time series collection (rule D20); absent before version 3. */
  readonly buckets?: boolean;
  /** null opens the walk; later the `cursor` of the last reply. */
  readonly cursor: string | null;
  /** Raw `{_id: …}`: a walk that is opened begins behind that key. Absent before version 3. */
  readonly after?: Uint8Array | null;
  /** Documents to read, 1 to 10,000. */
  readonly limit: number;
  /** The `chunkDigest` of the agent's next `limit` documents, or null for a list in any case. */
  readonly expect: Uint8Array | null;
  /** Of the collection itself; absent: the order of the `_id` index. */
  readonly order?: 'natural';
}

export interface DigestReply {
  /** null when the walk is at its end. */
  readonly cursor: string | null;
  /** Documents read for this reply. */
  readonly count: number;
  readonly equal: boolean;
  /**
   * Empty when `equal`. `key` holds the raw bytes of `{_id: …}`, as binary, so that no decoding can
   * change the type of the key.
   */
  readonly documents: readonly { readonly key: Uint8Array; readonly hash: Uint8Array }[];
}

/**
 * `POST /sessions/{id}/keyDigests`, since version 3: what one collection of the destination holds under
 * some keys. One BSON document each way.
 */
export interface KeyDigestRequest {
  readonly db: string;
  readonly coll: string;
  /** Of the buckets of this time series (rule D20). */
  readonly buckets?: boolean;
  /** Raw `{_id: …}`, 1 to 10,000. */
  readonly keys: readonly Uint8Array[];
}

export interface KeyDigestReply {
  /**
   * Of each document that was found. Its key may have other bytes than the one that was asked for (`1`
   * and `1.0`), and in a collated collection be another one.
   */
  readonly documents: DigestReply['documents'];
}

/** The first 16 bytes of the SHA-256 of a document's raw bytes. */
export function documentDigest(raw: Uint8Array): Buffer {
  return hash('sha256', raw, 'buffer').subarray(0, 16);
}

/** One digest over a run of raw documents, in their order. Sensitive to order, bytes and count. */
export function chunkDigest(documents: Iterable<Uint8Array>): Buffer {
  const all = createHash('sha256');
  for (const document of documents) all.update(document);
  return all.digest().subarray(0, 16);
}
