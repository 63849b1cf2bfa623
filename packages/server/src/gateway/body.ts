import { constants, zstdDecompress, type ZstdOptions } from 'node:zlib';

import { MAX_BODY_BYTES } from '@linkspan/contract/push/version.ts';
import type { FastifyRequest } from 'fastify';

import type { Asker, Budget } from './byteBudget.ts';
import { PushError } from './errors.ts';

/** What is decompressed comes in one piece where it can: pieces are copied together once more. */
const SMALLEST_PIECE = 64 * 1024;
const LARGEST_PIECE = 4 * 1024 * 1024;

/**
 * A frame says how much memory its decoder needs: this much is enough for the largest body, and more is
 * refused before it is taken (the base-2 logarithm of bytes).
 */
const WINDOW_LOG = { [constants.ZSTD_d_windowLogMax]: 26 };

/** A sender of which nothing came for so long is given up, in milliseconds; a slow one is not. */
const STANDSTILL_MS = 60_000;

/**
 * Gives a request up whose body stands still before it is whole: what was set aside for it is free
 * again (invariant I6). The sender sends it again.
 * @returns to be called once the body is there
 */
export function watchArrival({ raw }: FastifyRequest, standstillMs = STANDSTILL_MS): () => void {
  const end = (): void => void raw.destroy(new Error('the body of the request stood still'));
  raw.setTimeout(standstillMs, end);
  return () => {
    raw.setTimeout(0);
    raw.off('timeout', end);
  };
}

/** A decompressed body; its bytes are set aside until it is disposed of. */
export interface Body extends Disposable {
  readonly bytes: Buffer;
}

/**
 * Decompresses the body of an authenticated request. A compressed body does not say how large it
 * will be, so the largest is set aside until that is known: bodies are decompressed one at a time
 * when the budget is short, and wait for those that are being written (invariant I6). What was
 * received compressed is let go: nothing is set aside for it any more.
 * @throws {PushError} MESSAGE_INVALID
 * @throws the asker's reason to wait no longer
 */
export async function openBody(
  request: FastifyRequest,
  budget: Budget,
  asker: Asker = {},
): Promise<Body> {
  const received = request.body;
  if (!Buffer.isBuffer(received)) throw new PushError('MESSAGE_INVALID', 'The body is missing.');
  const encoding = request.headers['content-encoding'];
  const lease = await budget.acquire(
    encoding === undefined ? Math.min(received.length, MAX_BODY_BYTES) : MAX_BODY_BYTES,
    asker,
  );
  try {
    const bytes = encoding === undefined ? received : await inflate(received, encoding);
    if (bytes !== received) request.body = undefined;
    lease.shrink(bytes.length);
    return { bytes, [Symbol.dispose]: () => lease[Symbol.dispose]() };
  } catch (error) {
    lease[Symbol.dispose]();
    throw error;
  }
}

async function inflate(received: Buffer, encoding: string): Promise<Buffer> {
  if (encoding !== 'zstd') {
    throw new PushError(
      'MESSAGE_INVALID',
      `The Content-Encoding ${encoding} is not known: use zstd.`,
    );
  }
  let inflated: Inflated;
  try {
    const chunkSize = Math.min(LARGEST_PIECE, Math.max(SMALLEST_PIECE, received.length * 8));
    inflated = await decompress(received, {
      maxOutputLength: MAX_BODY_BYTES,
      chunkSize,
      params: WINDOW_LOG,
    });
  } catch (error) {
    const tooLarge = (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE';
    throw new PushError(
      'MESSAGE_INVALID',
      tooLarge
        ? `The body has more than ${MAX_BODY_BYTES} bytes after decompression.`
        : 'The body is not valid zstd.',
    );
  }
  // The decoder ends with the first frame and says nothing of what follows.
  if (inflated.read < received.length) {
    throw new PushError(
      'MESSAGE_INVALID',
      'The body has bytes after its zstd frame: a body is one frame.',
    );
  }
  return inflated.bytes;
}

interface Inflated {
  readonly bytes: Buffer;
  /** How many of the compressed bytes made them. */
  readonly read: number;
}

function decompress(compressed: Buffer, options: ZstdOptions): Promise<Inflated> {
  return new Promise((resolve, reject) => {
    // The types leave out what `info` changes of the result.
    const done = (error: Error | null, result: unknown): void => {
      if (error !== null) return reject(error);
      const { buffer, engine } = result as { buffer: Buffer; engine: { bytesWritten: number } };
      resolve({ bytes: buffer, read: engine.bytesWritten });
    };
    zstdDecompress(compressed, { ...options, info: true }, done);
  });
}
