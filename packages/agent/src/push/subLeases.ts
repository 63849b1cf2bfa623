import { BSON_SEQUENCE } from '@linkspan/contract/push/batch.ts';
import { DocumentsReply } from '@linkspan/contract/push/session.ts';
import { formatNamespace, isMigratable } from '@linkspan/contract/push/namespaces.ts';
import type {
  SubLeaseGranted,
  SubLeaseReport,
  SubLeaseReportReply,
} from '@linkspan/contract/push/ranges.ts';
import { SESSION_HEADER } from '@linkspan/contract/push/version.ts';
import { serialize } from 'bson';

import { Backoff } from './backoff.ts';
import { compressed } from './batchBody.ts';
import { MigrationEndedError } from './errors.ts';
import { finalError, hostAuthorization, readReply, type HostCredentials } from './client.ts';
import { readReportReply, readSubLeaseReply } from './rangeReplies.ts';
import { PushAnswerError, TransientPushError, type PushTransport } from './transport.ts';

const BSON = 'application/bson';
const TIMEOUT_MS = 30_000;
/** As for a session's own pushes. */
const DOCUMENTS_TIMEOUT_MS = 4 * 60_000;

/** Documents of a range for one of the lanes of its sub-lease. Never empty. */
export interface RangeBatch {
  readonly lane: number;
  readonly documents: readonly Uint8Array[];
}

/**
 * The sub-leases of one push session of another host. Calls are tried again while the server does not
 * answer; they reject with {@link SubLeaseEndedError} or another of the final errors of `errors.ts` once
 * that cannot help, or with the signal's reason.
 */
export class SubLeases {
  readonly #transport: PushTransport;
  readonly #authorization: string;
  readonly #path: string;

  constructor(transport: PushTransport, credentials: HostCredentials, sessionId: string) {
    this.#transport = transport;
    this.#authorization = hostAuthorization(credentials);
    this.#path = `/sessions/${sessionId}/subLeases`;
  }

  /** null: none is offered now. */
  async take(signal: AbortSignal): Promise<SubLeaseClient | null> {
    const headers = { authorization: this.#authorization, 'content-type': BSON };
    const answer = await this.#post(this.#path, headers, serialize({}), TIMEOUT_MS, signal);
    const { subLease } = readSubLeaseReply(answer);
    if (subLease === null) return null;
    // Rule C12, whatever a tracking host says.
    if (!isMigratable(subLease)) throw new Error(`${formatNamespace(subLease)} is never read`);
    const own = {
      authorization: this.#authorization,
      [SESSION_HEADER]: `${subLease.id}.${subLease.secret}`,
    };
    const post = (
      path: string,
      header: Record<string, string>,
      body: Uint8Array,
      timeoutMs: number,
      stop: AbortSignal,
    ): Promise<Buffer> =>
      this.#post(`${this.#path}/${path}`, { ...own, ...header }, body, timeoutMs, stop);
    return new SubLeaseClient(subLease, post);
  }

  async #post(
    path: string,
    headers: Record<string, string>,
    body: Uint8Array,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<Buffer> {
    const backoff = new Backoff();
    for (;;) {
      try {
        return await this.#transport.post(path, { headers, body, timeoutMs, signal });
      } catch (error) {
        if (error instanceof PushAnswerError) throw endOf(error);
        if (!(error instanceof TransientPushError)) throw error;
        await backoff.pause(signal, error.retryAfterMs);
      }
    }
  }
}

/** A session that is gone does not come back: the work that comes in its place names another one. */
function endOf(error: PushAnswerError): Error {
  return error.code === 'SESSION_UNKNOWN'
    ? new MigrationEndedError(error.message)
    : finalError(error);
}

type Post = (
  path: string,
  headers: Record<string, string>,
  body: Uint8Array,
  timeoutMs: number,
  signal: AbortSignal,
) => Promise<Buffer>;

/** One sub-lease. What is sent through it is counted, compressed. */
export class SubLeaseClient {
  readonly range: SubLeaseGranted;
  readonly #post: Post;
  readonly #lanes = new Map<number, number>();
  #wireBytes = 0;

  constructor(range: SubLeaseGranted, post: Post) {
    this.range = range;
    this.#post = post;
  }

  /** The caller has one batch of a lane under way at most (rule D13). */
  async push({ lane, documents }: RangeBatch, signal: AbortSignal): Promise<DocumentsReply> {
    const seq = (this.#lanes.get(lane) ?? 0) + 1;
    this.#lanes.set(lane, seq);
    const { toDb: db, toColl: coll } = this.range;
    const body = await compressed({ op: 'insert', db, coll, lane, documents }, seq);
    this.#wireBytes += body.length;
    const headers = { 'content-type': BSON_SEQUENCE, 'content-encoding': 'zstd' };
    const answer = await this.#post('documents', headers, body, DOCUMENTS_TIMEOUT_MS, signal);
    return readReply(DocumentsReply, answer, 'documents');
  }

  /** Nothing of it was copied. */
  async giveBack(signal: AbortSignal): Promise<void> {
    const nothing = { position: null, documents: 0, bytes: 0 };
    await this.report({ ...nothing, end: 'RETURNED', waitFor: null }, signal);
  }

  async report(
    message: Omit<SubLeaseReport, 'wireBytes'>,
    signal: AbortSignal,
  ): Promise<SubLeaseReportReply> {
    const body = serialize({ ...message, wireBytes: this.#wireBytes });
    return readReportReply(
      await this.#post('report', { 'content-type': BSON }, body, TIMEOUT_MS, signal),
    );
  }
}
