import { createHash, randomBytes } from 'node:crypto';

import { keyForCommand } from '@linkspan/contract/bson/ordered.ts';
import {
  asBuffer,
  BsonType,
  composeArray,
  composeDocument,
  keyOf,
  type RawValue,
} from '@linkspan/contract/bson/raw.ts';
import {
  documentDigest,
  type DigestRequest,
  type KeyDigestRequest,
} from '@linkspan/contract/push/digest.ts';
import { formatNamespace } from '@linkspan/contract/push/namespaces.ts';
import type { Document, FindCursor } from 'mongodb';

import type { Destination } from './destination.ts';
import { destinationError, serverCode } from './errors.ts';

/** Walks that one session may have open; opening more ends the one unused for longest. */
const MAX_WALKS = 64;
/** Documents that the server sends at once; its answer is limited to 16 MiB besides. */
const BATCH_DOCUMENTS = 1000;
const CURSOR_NOT_FOUND = 43;
const HASH_BYTES = 16;
/** Bytes of documents that a chunk holds before only their keys and hashes are kept (invariant I6). */
const HELD_BYTES = 16 * 1024 * 1024;

/** The walk is gone: the server's cursor was closed, or the request does not go on from its end. */
export class DigestCursorLostError extends Error {
  override readonly name = 'DigestCursorLostError';
}

interface Walk {
  readonly cursor: FindCursor;
  /** A document with this key, byte for byte, is not part of the walk; null once it has begun. */
  after: Buffer | null;
  /** Replies given so far: a request that was answered before cannot be answered again. */
  position: number;
  busy: boolean;
}

/**
 * The destination's end of verification: walks over collections in one order, each with one cursor kept
 * between requests. Memory is bounded by one chunk: at most 16 MiB of documents, then keys and hashes.
 */
export class DigestWalks {
  readonly #destination: Destination;
  readonly #walks = new Map<string, Walk>();

  constructor(destination: Destination) {
    this.#destination = destination;
  }

  /**
   * Answers one request, as a `DigestReply` in BSON.
   * @throws {DigestCursorLostError} {DestinationUnavailableError} {DestinationRefusedError}
   */
  async next(request: DigestRequest): Promise<Buffer> {
    const [id, walk] =
      request.cursor === null ? await this.#open(request) : this.#find(request.cursor);
    walk.busy = true;
    // The newest use stands last.
    this.#walks.delete(id);
    this.#walks.set(id, walk);
    try {
      const chunk = await readChunk(walk, request.limit);
      walk.position += 1;
      if (chunk.atEnd) await this.#end(id);
      return encodeReply(chunk, request, chunk.atEnd ? null : `${id}.${walk.position}`);
    } catch (error) {
      await this.#end(id);
      const where = formatNamespace(request);
      if (serverCode(error) === CURSOR_NOT_FOUND) {
        throw new DigestCursorLostError(`the destination closed the cursor on ${where}`);
      }
      throw destinationError(this.#destination.cluster, `read ${where} for its digest`, error);
    } finally {
      walk.busy = false;
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#walks.keys()].map((id) => this.#end(id)));
  }

  async #open(request: DigestRequest): Promise<[string, Walk]> {
    for (const [id, walk] of this.#walks) {
      if (this.#walks.size < MAX_WALKS) break;
      if (!walk.busy) await this.#end(id);
    }
    const after = request.after ? asBuffer(request.after) : null;
    const order =
      request.order === 'natural'
        ? { sort: { $natural: 1 as const } }
        : {
            sort: { _id: 1 as const },
            hint: { _id: 1 },
            ...(after !== null && { min: keyForCommand(after) as Document }),
          };
    const cursor = this.#destination.client
      .db(request.db)
      .collection(request.coll)
      .find(
        {},
        {
          raw: true,
          ...order,
          batchSize: Math.min(request.limit, BATCH_DOCUMENTS),
          readConcern: { level: 'majority' },
        },
      );
    return [randomBytes(12).toString('hex'), { cursor, after, position: 0, busy: false }];
  }

  #find(token: string): [string, Walk] {
    const [id = '', position] = token.split('.');
    const walk = this.#walks.get(id);
    if (walk === undefined || walk.busy || String(walk.position) !== position) {
      throw new DigestCursorLostError('the walk is gone or has moved on: begin it again');
    }
    return [id, walk];
  }

  async #end(id: string): Promise<void> {
    const walk = this.#walks.get(id);
    this.#walks.delete(id);
    // The server closes a forgotten cursor by itself.
    await walk?.cursor.close().catch(() => undefined);
  }
}

/**
 * What a collection holds under some keys, as a `KeyDigestReply` in BSON.
 * @throws {DestinationUnavailableError} {DestinationRefusedError}
 */
export async function digestKeys(
  destination: Destination,
  { db, coll, keys }: KeyDigestRequest,
): Promise<Buffer> {
  const ids = keys.map((key) => keyForCommand(asBuffer(key))._id);
  const cursor = destination.client
    .db(db)
    .collection(coll)
    .find({ _id: { $in: ids } } as Document, {
      raw: true,
      batchSize: BATCH_DOCUMENTS,
      readConcern: { level: 'majority' },
    });
  const found: Described[] = [];
  try {
    for await (const document of cursor) {
      const bytes = asBuffer(document as unknown as Uint8Array);
      found.push({ key: keyOf(bytes), hash: documentDigest(bytes) });
    }
  } catch (error) {
    const where = formatNamespace({ db, coll });
    throw destinationError(destination.cluster, `read keys of ${where} for their digests`, error);
  } finally {
    await cursor.close().catch(() => undefined);
  }
  return composeDocument([['documents', encodeDescribed(found)]]);
}

interface Chunk {
  readonly count: number;
  readonly digest: Buffer;
  readonly atEnd: boolean;
  /** Of every document, made only when asked for: most chunks are equal. */
  describe(): readonly Described[];
}

interface Described {
  readonly key: Buffer;
  readonly hash: Buffer;
}

async function readChunk(walk: Walk, limit: number): Promise<Chunk> {
  const { cursor } = walk;
  const described: Described[] = [];
  const all = createHash('sha256');
  let held: Buffer[] = [];
  let heldBytes = 0;
  let count = 0;
  const describe = (): readonly Described[] => {
    for (const bytes of held) described.push({ key: keyOf(bytes), hash: documentDigest(bytes) });
    held = [];
    heldBytes = 0;
    return described;
  };
  while (count < limit) {
    // With `raw` the driver gives bytes where its types say documents.
    const document = (await cursor.next()) as Uint8Array | null;
    if (document === null) break;
    const bytes = asBuffer(document);
    // Bounds are inclusive.
    const isBefore = walk.after !== null && keyOf(bytes).equals(walk.after);
    walk.after = null;
    if (isBefore) continue;
    count += 1;
    all.update(bytes);
    held.push(bytes);
    heldBytes += bytes.length;
    if (heldBytes > HELD_BYTES) describe();
  }
  const atEnd = count < limit || !(await cursor.hasNext());
  return { count, digest: all.digest().subarray(0, HASH_BYTES), atEnd, describe };
}

function encodeReply(chunk: Chunk, request: DigestRequest, cursor: string | null): Buffer {
  const equal = request.expect !== null && chunk.digest.equals(request.expect);
  return composeDocument([
    ['cursor', cursor === null ? { type: BsonType.null, bytes: Buffer.alloc(0) } : text(cursor)],
    ['count', chunk.count],
    ['equal', equal],
    ['documents', encodeDescribed(equal ? [] : chunk.describe())],
  ]);
}

function encodeDescribed(documents: readonly Described[]): RawValue {
  return composeArray(
    documents.map(({ key, hash }) => ({
      type: BsonType.object,
      bytes: composeDocument([
        ['key', binary(key)],
        ['hash', binary(hash)],
      ]),
    })),
  );
}

function binary(bytes: Buffer): RawValue {
  const head = Buffer.alloc(5);
  head.writeInt32LE(bytes.length);
  return { type: BsonType.binary, bytes: Buffer.concat([head, bytes]) };
}

function text(value: string): RawValue {
  const bytes = Buffer.from(`....${value}\0`);
  bytes.writeInt32LE(bytes.length - 4);
  return { type: BsonType.string, bytes };
}
