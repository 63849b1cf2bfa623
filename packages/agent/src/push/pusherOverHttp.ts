import { BSON_SEQUENCE } from '@linkspan/contract/push/batch.ts';
import type {
  DigestReply,
  DigestRequest,
  KeyDigestReply,
  KeyDigestRequest,
} from '@linkspan/contract/push/digest.ts';
import { type Progress } from '@linkspan/contract/push/progress.ts';
import {
  DocumentsReply,
  MOST_OF_A_REASON,
  StructureReply,
  StructuresReply,
  type Complete,
  type CutoverFailed,
  type OpenSession,
  type OpenSessionReply,
} from '@linkspan/contract/push/session.ts';
import type { RangesReply } from '@linkspan/contract/push/ranges.ts';
import type {
  DestinationListing,
  ReconcileRequest,
  StructureRequest,
} from '@linkspan/contract/push/structure.ts';
import { SESSION_HEADER } from '@linkspan/contract/push/version.ts';
import { serialize, type Document } from 'bson';

import { Backoff } from './backoff.ts';
import { compressed } from './batchBody.ts';
import { readBson, readDigestReply, readKeyDigestReply } from './bsonReplies.ts';
import {
  finalError,
  hostAuthorization,
  readReply,
  HostClient,
  type HostCredentials,
} from './client.ts';
import {
  GivenBackError,
  LinkRefusedError,
  MigrationEndedError,
  MigrationPausedError,
} from './errors.ts';
import type { DocumentBatch, OpenedSession, Pusher, RangesToSay } from './pusher.ts';
import { readRangesReply } from './rangeReplies.ts';
import { PushAnswerError, TransientPushError, type PushTransport } from './transport.ts';

const BSON = 'application/bson';
const TIMEOUT_MS = 30_000;
/** What buffers of sockets hold takes so long over a link of 20 KB a second. */
const DOCUMENTS_TIMEOUT_MS = 4 * 60_000;
const DIGEST_TIMEOUT_MS = 5 * 60_000;
const CLOSE_TIMEOUT_MS = 2000;

/** Builds of indexes answer when they are done; asking again is harmless. */
const STRUCTURE_TIMEOUT_MS = 15 * 60_000;

/** One push session, with the number of the last batch of each of its lanes. */
interface Session extends OpenSessionReply {
  readonly lanes: Map<number, number>;
  /** Number of the last list of ranges. */
  rangesSeq: number;
}

interface Call<T> {
  readonly path: string;
  readonly contentType: string;
  readonly timeoutMs: number;
  /** Made once for a session: the same batch keeps its number however often it is sent. */
  body(session: Session): Promise<{ bytes: Uint8Array | string; encoding?: 'zstd' }>;
  /** @throws {TransientPushError} where the answer is not the protocol's */
  read(answer: Buffer): T;
}

/** Pushes one migration to the server. See {@link Pusher} for what callers may rely on. */
export class PusherOverHttp implements Pusher {
  readonly #transport: PushTransport;
  readonly #host: HostClient;
  readonly #authorization: string;
  readonly #migrationId: string;
  readonly #mode: OpenSession;
  readonly #closing = new AbortController();
  readonly #waiting = new Map<symbol, TransientPushError>();
  #session: Session | null = null;
  #opening: Promise<Session> | null = null;
  /** Once the link or the migration has ended or is paused, no call goes out any more. */
  #ended: Error | null = null;
  #bytesSent = 0;
  /** Of the first session: what is pushed rests on a journal that knows nothing of other hosts' work. */
  #hostChanges: number | null = null;

  /** @param mode how sessions are opened: see {@link OpenSession} */
  constructor(
    transport: PushTransport,
    credentials: HostCredentials,
    migrationId: string,
    mode: OpenSession = {},
  ) {
    this.#mode = mode;
    this.#transport = transport;
    this.#host = new HostClient(transport, credentials);
    this.#authorization = hostAuthorization(credentials);
    this.#migrationId = migrationId;
  }

  get waiting(): string | null {
    return this.#waiting.values().next().value?.message ?? null;
  }

  get away(): string | null {
    return this.#waiting.values().find(({ isLate }) => !isLate)?.message ?? null;
  }

  get bytesSent(): number {
    return this.#bytesSent;
  }

  async open(signal: AbortSignal): Promise<OpenedSession> {
    const { epoch, hostChanges = 0 } = await this.#sessionFor(signal);
    return { epoch, hostChanges };
  }

  async pushDocuments(batch: DocumentBatch, signal: AbortSignal): Promise<DocumentsReply> {
    const { lane } = batch;
    return await this.#call(
      {
        path: 'documents',
        contentType: BSON_SEQUENCE,
        timeoutMs: DOCUMENTS_TIMEOUT_MS,
        async body(session) {
          const seq = (session.lanes.get(lane) ?? 0) + 1;
          session.lanes.set(lane, seq);
          return { bytes: await compressed(batch, seq), encoding: 'zstd' };
        },
        read: (answer) => readReply(DocumentsReply, answer, 'documents'),
      },
      signal,
    );
  }

  structure(request: StructureRequest, signal: AbortSignal): Promise<StructureReply> {
    const read = (answer: Buffer) => readReply(StructureReply, answer, 'structure');
    return this.#callBson('structure', request, STRUCTURE_TIMEOUT_MS, read, signal);
  }

  structures(requests: readonly ReconcileRequest[], signal: AbortSignal): Promise<StructuresReply> {
    const read = (answer: Buffer) => readReply(StructuresReply, answer, 'structures');
    return this.#callBson('structures', { requests }, STRUCTURE_TIMEOUT_MS, read, signal);
  }

  listing(
    signal: AbortSignal,
    options: { readonly namesOnly: boolean; readonly counted?: boolean } = { namesOnly: true },
  ): Promise<DestinationListing> {
    const read = (answer: Buffer) => readBson(answer, 'listing') as DestinationListing;
    return this.#callBson('listing', options, DIGEST_TIMEOUT_MS, read, signal);
  }

  digest(request: DigestRequest, signal: AbortSignal): Promise<DigestReply> {
    return this.#callBson('digest', request, DIGEST_TIMEOUT_MS, readDigestReply, signal);
  }

  keyDigests(request: KeyDigestRequest, signal: AbortSignal): Promise<KeyDigestReply> {
    return this.#callBson('keyDigests', request, DIGEST_TIMEOUT_MS, readKeyDigestReply, signal);
  }

  async ranges(make: (epoch: number) => RangesToSay, signal: AbortSignal): Promise<RangesReply> {
    return await this.#call(
      {
        path: 'ranges',
        contentType: BSON,
        timeoutMs: TIMEOUT_MS,
        async body(session) {
          session.rangesSeq += 1;
          return { bytes: serialize({ ...make(session.epoch), seq: session.rangesSeq }) };
        },
        read: readRangesReply,
      },
      signal,
    );
  }

  /** While there is no session, because the destination does not answer, it is told all the same. */
  async report(progress: Progress, signal: AbortSignal): Promise<void> {
    const either = AbortSignal.any([signal, this.#closing.signal]);
    await this.#persist(either, async (attempt) => {
      if (this.#ended !== null) throw this.#ended;
      const session = this.#session;
      try {
        if (session !== null) {
          const headers = { ...this.#headers(session), 'content-type': 'application/json' };
          const request = { headers, body: JSON.stringify(progress), timeoutMs: TIMEOUT_MS };
          const path = `/sessions/${session.sessionId}/report`;
          await attempt(() => this.#transport.post(path, { ...request, signal: either }));
          return;
        }
        this.#sessionFor(this.#closing.signal).catch(() => undefined);
        await attempt(() => this.#host.reportWaiting(this.#migrationId, progress, either));
      } catch (error) {
        if (!(error instanceof PushAnswerError)) throw this.#finally(error as Error);
        this.#endSession(error, session);
      }
    });
  }

  complete(message: Complete, signal: AbortSignal): Promise<void> {
    return this.#callJson('complete', message, signal);
  }

  cutoverFailed({ reason, ...rest }: CutoverFailed, signal: AbortSignal): Promise<void> {
    return this.#callJson('cutoverFailed', { ...rest, reason: shortened(reason) }, signal);
  }

  fail(reason: string, signal: AbortSignal): Promise<void> {
    return this.#callJson('fail', { reason: shortened(reason) }, signal);
  }

  async close(): Promise<void> {
    const session = this.#session;
    this.#session = null;
    this.#ended ??= new MigrationEndedError('the push session was closed');
    this.#closing.abort(this.#ended);
    if (session === null) return;
    try {
      await this.#transport.post(`/sessions/${session.sessionId}/close`, {
        headers: { ...this.#headers(session), 'content-type': 'application/json' },
        body: '{}',
        timeoutMs: CLOSE_TIMEOUT_MS,
        signal: AbortSignal.timeout(CLOSE_TIMEOUT_MS),
      });
    } catch {
      // The server closes it by itself when a newer one is opened or the migration ends.
    }
  }

  async #callJson(path: string, message: object, signal: AbortSignal): Promise<void> {
    const bytes = JSON.stringify(message);
    const body = async () => ({ bytes });
    const read = (): void => undefined;
    const contentType = 'application/json';
    await this.#call({ path, contentType, timeoutMs: TIMEOUT_MS, body, read }, signal);
  }

  #callBson<T>(
    path: string,
    message: object,
    timeoutMs: number,
    read: (answer: Buffer) => T,
    signal: AbortSignal,
  ): Promise<T> {
    const bytes = serialize(message as Document, { ignoreUndefined: false });
    const body = async () => ({ bytes });
    return this.#call({ path, contentType: BSON, timeoutMs, body, read }, signal);
  }

  /** Sends until there is an answer that is final, in a new session where the old one is lost. */
  async #call<T>(call: Call<T>, signal: AbortSignal): Promise<T> {
    const either = AbortSignal.any([signal, this.#closing.signal]);
    return await this.#persist(either, async (attempt) => {
      for (;;) {
        const session = await this.#sessionFor(either);
        const { bytes, encoding } = await call.body(session);
        const headers = {
          ...this.#headers(session),
          'content-type': call.contentType,
          ...(encoding === undefined ? {} : { 'content-encoding': encoding }),
        };
        try {
          return await attempt(async () => {
            this.#bytesSent += bytes.length;
            const path = `/sessions/${session.sessionId}/${call.path}`;
            const { timeoutMs } = call;
            return call.read(
              await this.#transport.post(path, { headers, body: bytes, timeoutMs, signal: either }),
            );
          });
        } catch (error) {
          if (!(error instanceof PushAnswerError)) throw error;
          this.#endSession(error, session);
        }
      }
    });
  }

  /** @throws what the answer means, unless another session may be opened */
  #endSession(error: PushAnswerError, session: Session | null): void {
    // A session that this pusher has replaced meanwhile is fenced by its own successor.
    const isOwn = error.code === 'SESSION_FENCED' && this.#session !== session;
    if (error.code !== 'SESSION_UNKNOWN' && !isOwn) throw this.#finally(finalError(error));
    // Whoever notices first forgets it; the others find the new one, or its opening.
    if (this.#session === session) this.#session = null;
  }

  /** One opening for all callers; each waits for it no longer than its own signal allows. */
  async #sessionFor(signal: AbortSignal): Promise<Session> {
    if (this.#ended !== null) throw this.#ended;
    signal.throwIfAborted();
    if (this.#session !== null) return this.#session;
    this.#opening ??= this.#openSession().finally(() => {
      this.#opening = null;
    });
    const opening = this.#opening;
    const aborted = Promise.withResolvers<never>();
    const abort = (): void => aborted.reject(signal.reason as Error);
    signal.addEventListener('abort', abort, { once: true });
    try {
      return await Promise.race([opening, aborted.promise]);
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  async #openSession(): Promise<Session> {
    const { signal } = this.#closing;
    try {
      const reply = await this.#persist(signal, (attempt) =>
        attempt(() => this.#host.openSession(this.#migrationId, this.#mode, signal)),
      );
      const { hostChanges = 0 } = reply;
      this.#hostChanges ??= hostChanges;
      if (this.#hostChanges !== hostChanges) throw new GivenBackError();
      this.#session = { ...reply, lanes: new Map(), rangesSeq: 0 };
      return this.#session;
    } catch (error) {
      throw this.#finally(error as Error);
    }
  }

  /** Runs `task`, which wraps each request in `attempt`: that one is made again while it can help. */
  async #persist<T>(
    signal: AbortSignal,
    task: (attempt: <R>(send: () => Promise<R>) => Promise<R>) => Promise<T>,
  ): Promise<T> {
    const backoff = new Backoff();
    const who = Symbol();
    try {
      return await task(async (send) => {
        for (;;) {
          try {
            return await send();
          } catch (error) {
            if (!(error instanceof TransientPushError)) throw error;
            this.#waiting.set(who, error);
            await backoff.pause(signal, error.retryAfterMs);
          }
        }
      });
    } finally {
      this.#waiting.delete(who);
    }
  }

  #headers(session: Session): Record<string, string> {
    return {
      authorization: this.#authorization,
      [SESSION_HEADER]: `${session.sessionId}.${session.sessionSecret}`,
    };
  }

  #finally(error: Error): Error {
    const isEnd =
      error instanceof LinkRefusedError ||
      error instanceof MigrationEndedError ||
      error instanceof GivenBackError ||
      error instanceof MigrationPausedError;
    if (isEnd) this.#ended ??= error;
    return error;
  }
}

/** One that names thousands of collections is told as far as it goes: refused, it would be told again for ever. */
function shortened(reason: string): string {
  return reason.length <= MOST_OF_A_REASON ? reason : `${reason.slice(0, MOST_OF_A_REASON - 1)}…`;
}
