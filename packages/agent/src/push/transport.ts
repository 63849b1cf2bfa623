import { Readable } from 'node:stream';

import { PUSH_ERRORS, type PushErrorCode } from '@linkspan/contract/push/errors.ts';
import { PUSH_BASE, PUSH_VERSION, VERSION_HEADER } from '@linkspan/contract/push/version.ts';
import { NO_TLS_FILES, readTlsFiles, type TlsFiles } from '@linkspan/contract/tls/files.ts';
import { Agent, buildConnector, request } from 'undici';

/** The server answered with one of the push protocol's errors that is no reason to try again. */
export class PushAnswerError extends Error {
  override readonly name = 'PushAnswerError';
  readonly code: string;
  readonly status: number;

  constructor(code: string, status: number, detail: string) {
    super(detail);
    this.code = code;
    this.status = status;
  }
}

/** No answer, or one that says to come back: the same request again later. */
export class TransientPushError extends Error {
  override readonly name = 'TransientPushError';
  /** Milliseconds that the server asked to wait, or 0. */
  readonly retryAfterMs: number;

  constructor(message: string, retryAfterMs = 0, cause?: unknown) {
    super(message, { cause });
    this.retryAfterMs = retryAfterMs;
  }

  /** The server was there, and its answer did not come in time. */
  get isLate(): boolean {
    return isTimeout(this.cause);
  }
}

export interface PushRequest {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | string;
  /** How long nothing may happen: no piece of the body sent, no answer come. In milliseconds. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Requests under way to the server at once, long poll included. */
const CONNECTIONS = 16;
const CONNECT_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_MS = 30_000;

/**
 * A body is sent in pieces of so many bytes, each of which starts the time limit anew: a link that is
 * slow and moves is waited for, one that stands still is not.
 */
const PIECE_BYTES = 64 * 1024;

/** POSTs to the server over a bounded number of connections that are kept alive. */
export class PushTransport implements AsyncDisposable {
  /** The server's address without a path. */
  readonly endpoint: string;
  readonly #agent: Agent;

  constructor(endpoint: string, tls: TlsFiles = NO_TLS_FILES) {
    this.endpoint = endpoint.replace(/\/+$/, '');
    this.#agent = new Agent({
      connections: CONNECTIONS,
      pipelining: 1,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connect: connectorOf(tls),
    });
  }

  /**
   * @param path below the push protocol's base
   * @returns the body of a 2xx answer
   * @throws {PushAnswerError} for a final error, {@link TransientPushError} for any other
   * @throws the signal's reason
   */
  async post(path: string, options: PushRequest): Promise<Buffer> {
    let status: number;
    let retryAfter: string | string[] | undefined;
    let body: Buffer;
    try {
      const response = await request(this.endpoint + PUSH_BASE + path, {
        method: 'POST',
        dispatcher: this.#agent,
        headers: {
          ...options.headers,
          [VERSION_HEADER]: String(PUSH_VERSION),
          'content-length': String(Buffer.byteLength(options.body)),
        },
        body: inPieces(options.body),
        headersTimeout: options.timeoutMs,
        bodyTimeout: options.timeoutMs,
        signal: options.signal,
      });
      status = response.statusCode;
      retryAfter = response.headers['retry-after'];
      body = Buffer.from(await response.body.arrayBuffer());
    } catch (error) {
      options.signal.throwIfAborted();
      throw new TransientPushError(this.#unreachable(error), 0, error);
    }
    if (status >= 200 && status < 300) return body;
    throw this.#errorOf(status, typeof retryAfter === 'string' ? retryAfter : undefined, body);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#agent.destroy();
  }

  #unreachable(error: unknown): string {
    const { code, message } = error as { code?: string; message: string };
    const reason =
      code === 'ECONNREFUSED'
        ? 'connection refused'
        : isTimeout(error)
          ? 'no answer in time'
          : message;
    return `the server ${this.endpoint} cannot be reached: ${reason}`;
  }

  #errorOf(status: number, retryAfter: string | undefined, body: Buffer): Error {
    const { errorCode, detail } = readErrorBody(body);
    // An error without a code comes from something between: a proxy that has lost the server must
    // not end a migration.
    const known = errorCode === undefined ? undefined : PUSH_ERRORS[errorCode as PushErrorCode];
    const transient =
      known?.retry ?? (errorCode === undefined || status >= 500 || [408, 429].includes(status));
    const text = detail ?? `the server ${this.endpoint} answered HTTP ${status}`;
    if (!transient && errorCode !== undefined) return new PushAnswerError(errorCode, status, text);
    const seconds = Number(retryAfter);
    return new TransientPushError(text, seconds > 0 ? Math.min(seconds, 60) * 1000 : 0);
  }
}

/** Reads the files anew for each connection: certificates are renewed without a restart. */
function connectorOf(tls: TlsFiles): buildConnector.connector {
  return (options, callback) => {
    let connect: buildConnector.connector;
    try {
      const material = options.protocol === 'https:' ? readTlsFiles(tls) : {};
      connect = buildConnector({
        ...material,
        minVersion: 'TLSv1.2',
        timeout: CONNECT_TIMEOUT_MS,
      });
    } catch (error) {
      callback(error as Error, null);
      return;
    }
    connect(options, callback);
  };
}

function isTimeout(error: unknown): boolean {
  const code = (error as { code?: unknown } | undefined)?.code;
  return code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT';
}

function inPieces(body: Uint8Array | string): Uint8Array | string | Readable {
  if (typeof body === 'string' || body.length <= PIECE_BYTES) return body;
  const count = Math.ceil(body.length / PIECE_BYTES);
  const pieces = Array.from({ length: count }, (_, index) =>
    body.subarray(index * PIECE_BYTES, (index + 1) * PIECE_BYTES),
  );
  return Readable.from(pieces, { highWaterMark: 1 });
}

function readErrorBody(body: Buffer): { errorCode?: string; detail?: string } {
  try {
    const { errorCode, detail } = JSON.parse(body.toString('utf8')) as Record<string, unknown>;
    return {
      ...(typeof errorCode === 'string' ? { errorCode } : {}),
      ...(typeof detail === 'string' ? { detail } : {}),
    };
  } catch {
    return {};
  }
}
