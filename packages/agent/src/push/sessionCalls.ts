import type { Progress } from '@linkspan/contract/push/progress.ts';
import type { OpenSession, OpenSessionReply } from '@linkspan/contract/push/session.ts';
import { SESSION_HEADER } from '@linkspan/contract/push/version.ts';

import { Backoff } from './backoff.ts';
import { finalError, hostAuthorization, HostClient, type HostCredentials } from './client.ts';
import {
  GivenBackError,
  LinkRefusedError,
  MigrationEndedError,
  MigrationPausedError,
} from './errors.ts';
import type { OpenedSession, SessionRecord } from './pusher.ts';
import { PushAnswerError, TransientPushError, type PushTransport } from './transport.ts';

const REPORT_TIMEOUT_MS = 30_000;
const CLOSE_TIMEOUT_MS = 2000;

/** One push session, with the number of the last batch or structural request of each of its lanes. */
export interface Session extends OpenSessionReply {
  readonly lanes: Map<number, number>;
  readonly structureLanes: Map<number, number>;
  /** Number of the last list of ranges. */
  rangesSeq: number;
}

export interface Call<T> {
  readonly path: string;
  readonly contentType: string;
  readonly timeoutMs: number;
  /** Made once for a session: the same batch keeps its number however often it is sent. */
  body(session: Session): Promise<{ bytes: Uint8Array | string; encoding?: 'zstd' }>;
  /** @throws {TransientPushError} where the answer is not the protocol's */
  read(answer: Buffer): T;
}

/**
 * Sends the calls of one migration in its push session, and opens another session where one is lost. A call
 * comes back once its answer is final; what can pass is waited for. For what it shows of itself see `Pusher`.
 */
export class SessionCalls {
  readonly #transport: PushTransport;
  readonly #host: HostClient;
  readonly #authorization: string;
  readonly #migrationId: string;
  #mode: OpenSession;
  readonly #closing = new AbortController();
  readonly #waiting = new Map<symbol, TransientPushError>();
  #session: Session | null = null;
  #opening: Promise<Session> | null = null;
  /** Once the link or the migration has ended or is paused, no call goes out any more. */
  #ended: Error | null = null;
  #bytesSent = 0;
  /** Of the first session: what is pushed rests on a journal that knows nothing of other hosts' work. */
  #hostChanges: number | null = null;
  /** Is told of each session before anything is sent in it; see `Pusher`. */
  record: SessionRecord | null = null;

  /** @param mode how the first session is opened: see {@link OpenSession} */
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

  /** One opening for all callers; each waits for it no longer than its own signal allows. */
  async sessionFor(signal: AbortSignal): Promise<Session> {
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

  /** Sends until there is an answer that is final, in a new session where the old one is lost. */
  async call<T>(call: Call<T>, signal: AbortSignal): Promise<T> {
    const either = AbortSignal.any([signal, this.#closing.signal]);
    return await this.#persist(either, async (attempt) => {
      for (;;) {
        const session = await this.sessionFor(either);
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

  /** While there is no session, because the destination does not answer, it is told all the same. */
  async report(progress: Progress, signal: AbortSignal): Promise<void> {
    const either = AbortSignal.any([signal, this.#closing.signal]);
    await this.#persist(either, async (attempt) => {
      if (this.#ended !== null) throw this.#ended;
      // Told without a session, it would make this runner the one that the server takes for in use.
      const session = this.#mode.unlessInUse ? await this.sessionFor(either) : this.#session;
      try {
        if (session !== null) {
          const headers = { ...this.#headers(session), 'content-type': 'application/json' };
          const request = { headers, body: JSON.stringify(progress), timeoutMs: REPORT_TIMEOUT_MS };
          const path = `/sessions/${session.sessionId}/report`;
          await attempt(() => this.#transport.post(path, { ...request, signal: either }));
          return;
        }
        this.sessionFor(this.#closing.signal).catch(() => undefined);
        await attempt(() => this.#host.reportWaiting(this.#migrationId, progress, either));
      } catch (error) {
        if (!(error instanceof PushAnswerError)) throw this.#finally(error as Error);
        this.#endSession(error, session);
      }
    });
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

  /** @throws what the answer means, unless another session may be opened */
  #endSession(error: PushAnswerError, session: Session | null): void {
    // A session that this pusher has replaced meanwhile is fenced by its own successor.
    const isOwn = error.code === 'SESSION_FENCED' && this.#session !== session;
    if (error.code !== 'SESSION_UNKNOWN' && !isOwn) throw this.#finally(finalError(error));
    // Whoever notices first forgets it; the others find the new one, or its opening.
    if (this.#session === session) this.#session = null;
  }

  async #openSession(): Promise<Session> {
    const { signal } = this.#closing;
    try {
      const reply = await this.#persist(signal, (attempt) =>
        attempt(() => this.#host.openSession(this.#migrationId, this.#mode, signal)),
      );
      const opened = openedOf(reply);
      this.#hostChanges ??= opened.hostChanges;
      if (this.#hostChanges !== opened.hostChanges) throw new GivenBackError();
      this.record?.opened(opened);
      // From here on what has reported last is this runner itself.
      this.#mode = {};
      this.#session = { ...reply, lanes: new Map(), structureLanes: new Map(), rangesSeq: 0 };
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

/** What a reply to an opening says of the work that the session goes on with. */
export function openedOf({
  epoch,
  hostChanges = 0,
  lastStructure,
}: OpenSessionReply): OpenedSession {
  return { epoch, hostChanges, ...(lastStructure && { lastStructure }) };
}
