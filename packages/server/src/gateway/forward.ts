import { createHmac, timingSafeEqual } from 'node:crypto';
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { pipeline } from 'node:stream/promises';

import { SESSION_HEADER, VERSION_HEADER } from '@linkspan/contract/push/version.ts';
import { readTlsFiles, type TlsFiles } from '@linkspan/contract/tls/files.ts';
import type { FastifyReply, FastifyRequest } from 'fastify';

import * as pushSessions from '../store/pushSessions.ts';
import type { Store } from '../store/store.ts';
import { watchArrival } from './body.ts';
import { ByteBudget, type Asker } from './byteBudget.ts';
import type { Caller } from './caller.ts';
import { PushError } from './errors.ts';
import { declaredLength } from './inbound.ts';

/**
 * Says for whom another node has taken a request: who called, with a certificate or without, and the
 * node that it is meant for.
 */
const FORWARDED_HEADER = 'linkspan-forwarded';
/** Stands in it for a certificate that the node has demanded and trusts. */
const CERTIFIED = 'certificate';
/** Clocks of nodes may differ by so much, in milliseconds. */
const FRESH_MS = 5 * 60_000;
const CONNECT_MS = 5_000;
/** Whether the other node still holds the session is looked at this often while it says nothing. */
const LOOK_EVERY_MS = 1000;
/** Requests that one node has under way at another one. */
const CONNECTIONS = 256;
/** The most of a body that this node has at a time while it hands it on, in bytes. */
const ON_THE_WAY_BYTES = 256 * 1024;
/** What all have together that are handed on, and those of one link, in bytes. */
const PASSING_BYTES = 32 * 1024 * 1024;
const PASSING_SHARE = PASSING_BYTES / 2;

const REQUEST_HEADERS = [
  'authorization',
  'content-type',
  'content-encoding',
  'content-length',
  SESSION_HEADER,
  VERSION_HEADER,
];
const ANSWER_HEADERS = ['content-type', 'content-length', 'retry-after', 'x-error-code'];

const UNREACHABLE = new PushError(
  'NODE_UNAVAILABLE',
  'Another server node holds the push session and cannot be reached from this one.',
);
const NOT_THE_HOLDER = new PushError(
  'NODE_UNAVAILABLE',
  'Another server node took this one for the holder of the push session.',
);
const LEFT = new PushError(
  'SESSION_UNKNOWN',
  'The server node that held the push session does not any more: open a new one.',
);

/**
 * Hands requests on to the node that holds their push session, as they are and without keeping their
 * bodies. Nodes know each other by a key that follows from the master key. A request is handed on once:
 * a node that was taken for the holder and is not says so.
 */
export class Forwarding implements AsyncDisposable {
  readonly #store: Store;
  /**
   * Apart from what is set aside for bodies that this node keeps: a request holds some of it while it waits
   * for room at another node, and two nodes would wait for each other.
   */
  readonly #passing = new ByteBudget(PASSING_BYTES, PASSING_SHARE);
  readonly #keys: readonly [Buffer, ...Buffer[]];
  readonly #http = new HttpAgent({ keepAlive: true, maxSockets: CONNECTIONS });
  readonly #https: HttpsAgent;

  /**
   * @param tls what other nodes' certificates are signed by
   * @throws {TlsFileError}
   */
  constructor(store: Store, tls: TlsFiles) {
    this.#store = store;
    this.#https = new HttpsAgent({
      keepAlive: true,
      maxSockets: CONNECTIONS,
      ...readTlsFiles(tls),
      minVersion: 'TLSv1.2',
    });
    this.#keys = store.sealer.deriveKeys('node forwarding');
  }

  /**
   * Who a request comes from, before the node that handed it on and has seen its certificate.
   * @returns null for one that was not handed on
   * @throws {PushError} NODE_UNAVAILABLE for one that was not meant for this node, or not signed by one
   */
  callerOf(request: FastifyRequest): Caller | null {
    const header = request.headers[FORWARDED_HEADER];
    if (header === undefined) return null;
    const [nodeId = '', at = '', address = '', shown = '', signature = ''] =
      String(header).split(' ');
    const caller = { address, isCertified: shown === CERTIFIED };
    const given = Buffer.from(signature, 'hex');
    // A node may still be on the key before.
    const isSigned = this.#keys.some((key) => {
      const expected = sign(key, nodeId, at, caller, request);
      return given.length === expected.length && timingSafeEqual(given, expected);
    });
    const isFresh = Math.abs(Date.now() - Number(at)) < FRESH_MS;
    if (!isSigned || !isFresh || nodeId !== this.#store.nodeId) throw NOT_THE_HOLDER;
    return caller;
  }

  /**
   * Hands a request on if another node holds its push session: then it is answered when this comes back.
   * @param asker whose request it is, and until when anybody waits for its answer
   * @throws {PushError} NODE_UNAVAILABLE, SESSION_UNKNOWN; MESSAGE_INVALID for a body that is too large
   */
  async toHolder(
    request: FastifyRequest,
    reply: FastifyReply,
    sessionId: string,
    caller: Caller,
    asker: Required<Asker>,
  ): Promise<void> {
    const { db, dialect, nodeId } = this.#store;
    const holder = await pushSessions.findHolder(db, dialect, sessionId);
    if (holder === undefined || holder.nodeId === nodeId) return;
    if (request.headers[FORWARDED_HEADER] !== undefined) throw NOT_THE_HOLDER;
    if (holder.url === null) throw UNREACHABLE;
    const isHeld = async (): Promise<boolean> =>
      (await pushSessions.findHolder(db, dialect, sessionId))?.nodeId === holder.nodeId;
    const target = { nodeId: holder.nodeId, url: holder.url };
    const bytes = Math.min(declaredLength(request), ON_THE_WAY_BYTES);
    using _room = await this.#passing.acquire(bytes, asker);
    const answer = await this.#send(request, target, caller, isHeld, asker.signal);
    reply.hijack();
    reply.raw.writeHead(answer.statusCode ?? 502, pick(answer.headers, ANSWER_HEADERS));
    // Either side may go away: then nobody is left to be told.
    await pipeline(answer, reply.raw).catch(() => undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#http.destroy();
    this.#https.destroy();
  }

  /** Comes back with the beginning of the answer. */
  async #send(
    request: FastifyRequest,
    target: { readonly nodeId: string; readonly url: string },
    caller: Caller,
    isHeld: () => Promise<boolean>,
    over: AbortSignal,
  ): Promise<IncomingMessage> {
    // Nothing comes of a connection that is closed, not even an end.
    over.throwIfAborted();
    const url = new URL(request.url, target.url);
    const isTls = url.protocol === 'https:';
    const at = String(Date.now());
    const signature = sign(this.#keys[0], target.nodeId, at, caller, request).toString('hex');
    const upstream = (isTls ? httpsRequest : httpRequest)(url, {
      method: 'POST',
      agent: isTls ? this.#https : this.#http,
      headers: {
        ...pick(request.headers, REQUEST_HEADERS),
        [FORWARDED_HEADER]: `${target.nodeId} ${at} ${caller.address} ${shownBy(caller)} ${signature}`,
      },
    });
    const answered = Promise.withResolvers<IncomingMessage>();
    const gone = (): void => void upstream.destroy(UNREACHABLE);
    upstream.once('response', answered.resolve);
    upstream.on('error', (error) => answered.reject(error));
    upstream.once('socket', (socket) => {
      if (!socket.connecting) return;
      const late = setTimeout(gone, CONNECT_MS);
      socket.once('connect', () => clearTimeout(late));
      socket.once('close', () => clearTimeout(late));
    });
    over.addEventListener('abort', gone, { once: true });
    const watch = setInterval(() => {
      isHeld().then(
        (held) => {
          if (!held) upstream.destroy(LEFT);
        },
        // The store says nothing; the other node stops by itself.
        () => undefined,
      );
    }, LOOK_EVERY_MS);
    request.raw.once('end', watchArrival(request));
    request.raw.pipe(upstream);
    try {
      return await answered.promise;
    } catch (error) {
      // What is left of the body is read away, so that its sender hears the answer.
      request.raw.unpipe(upstream);
      request.raw.resume();
      throw error instanceof PushError ? error : UNREACHABLE;
    } finally {
      clearInterval(watch);
    }
  }
}

function sign(
  key: Buffer,
  nodeId: string,
  at: string,
  caller: Caller,
  { url, headers: { authorization = '' } }: FastifyRequest,
): Buffer {
  return createHmac('sha256', key)
    .update([nodeId, at, caller.address, shownBy(caller), url, authorization].join('\n'))
    .digest();
}

function shownBy({ isCertified }: Caller): string {
  return isCertified ? CERTIFIED : 'none';
}

function pick(
  headers: IncomingMessage['headers'],
  names: readonly string[],
): Record<string, string | string[]> {
  const picked: Record<string, string | string[]> = {};
  for (const name of names) {
    const value = headers[name];
    if (value !== undefined) picked[name] = value;
  }
  return picked;
}
