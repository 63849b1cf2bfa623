/**
 * `POST /sessions/{id}/documents`: a body of concatenated BSON documents, as in the document
 * sequence of an OP_MSG. The first document is the header; the others are documents (`insert`,
 * `replace`, `recreate`) or document keys (`delete`), byte for byte as the source holds them.
 * `Content-Type: application/vnd.linkspan.bson-sequence`, `Content-Encoding: zstd`.
 */
export const BSON_SEQUENCE = 'application/vnd.linkspan.bson-sequence';

/**
 * - `insert`: insert; a document with an equal `_id` that is there already is left alone (rule D10).
 * - `replace`: replace the document with that `_id`, or insert it.
 * - `recreate`: delete by `_id`, then insert: for an `_id` that is equal but not the same (rule D15).
 * - `delete`: delete by document key; one that is not there is no error.
 */
export type WriteOperation = 'insert' | 'replace' | 'recreate' | 'delete';

/** The first document of the body. */
export interface BatchHeader {
  readonly op: WriteOperation;
  readonly db: string;
  readonly coll: string;
  /** The documents are buckets of this time series collection (rule D20); absent before version 3. */
  readonly buckets?: boolean;
  /** One ordered sequence of pushes of the session; a lane has one batch under way at most. */
  readonly lane: number;
  /**
   * Counts the batches of the lane from 1. The same number again is the same batch again; a smaller
   * one is refused. The server never starts a batch while it does not know the fate of the one
   * before it on that lane (rule D13).
   */
  readonly seq: number;
}
