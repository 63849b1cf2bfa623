import { BSON_SEQUENCE } from '@linkspan/contract/push/batch.ts';
import type {
  DigestReply,
  DigestRequest,
  KeyDigestReply,
  KeyDigestRequest,
} from '@linkspan/contract/push/digest.ts';
import type { Progress } from '@linkspan/contract/push/progress.ts';
import {
  DocumentsReply,
  MOST_OF_A_REASON,
  StructureReply,
  StructuresReply,
  type Complete,
  type CutoverFailed,
  type OpenSession,
} from '@linkspan/contract/push/session.ts';
import type { RangesReply } from '@linkspan/contract/push/ranges.ts';
import type {
  DestinationListing,
  ReconcileRequest,
  StructureRequest,
} from '@linkspan/contract/push/structure.ts';
import { serialize, type Document } from 'bson';

import { compressed } from './batchBody.ts';
import { readBson, readDigestReply, readKeyDigestReply } from './bsonReplies.ts';
import { readReply, type HostCredentials } from './client.ts';
import type { DocumentBatch, OpenedSession, Pusher, RangesToSay, SessionRecord } from './pusher.ts';
import { readRangesReply } from './rangeReplies.ts';
import { openedOf, SessionCalls, type Session } from './sessionCalls.ts';
import type { PushTransport } from './transport.ts';

const BSON = 'application/bson';
const TIMEOUT_MS = 30_000;
/** What buffers of sockets hold takes so long over a link of 20 KB a second. */
const DOCUMENTS_TIMEOUT_MS = 4 * 60_000;
const DIGEST_TIMEOUT_MS = 5 * 60_000;

/** Builds of indexes answer when they are done; asking again is harmless. */
const STRUCTURE_TIMEOUT_MS = 15 * 60_000;

/** Pushes one migration to the server. See {@link Pusher} for what callers may rely on. */
export class PusherOverHttp implements Pusher {
  readonly #calls: SessionCalls;
  /** Lanes that have a structural request under way. */
  readonly #structural = new Set<number>();

  /** @param mode how sessions are opened: see {@link OpenSession} */
  constructor(
    transport: PushTransport,
    credentials: HostCredentials,
    migrationId: string,
    mode: OpenSession = {},
  ) {
    this.#calls = new SessionCalls(transport, credentials, migrationId, mode);
  }

  get waiting(): string | null {
    return this.#calls.waiting;
  }

  get away(): string | null {
    return this.#calls.away;
  }

  get bytesSent(): number {
    return this.#calls.bytesSent;
  }

  async open(signal: AbortSignal, record?: SessionRecord): Promise<OpenedSession> {
    if (record !== undefined) this.#calls.record = record;
    return openedOf(await this.#calls.sessionFor(signal));
  }

  async pushDocuments(batch: DocumentBatch, signal: AbortSignal): Promise<DocumentsReply> {
    const { lane } = batch;
    return await this.#calls.call(
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
    return this.#restructure('structure', request, read, signal);
  }

  structures(requests: readonly ReconcileRequest[], signal: AbortSignal): Promise<StructuresReply> {
    const read = (answer: Buffer) => readReply(StructuresReply, answer, 'structures');
    return this.#restructure('structures', { requests }, read, signal);
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
    return await this.#calls.call(
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

  report(progress: Progress, signal: AbortSignal): Promise<void> {
    return this.#calls.report(progress, signal);
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

  close(): Promise<void> {
    return this.#calls.close();
  }

  async #callJson(path: string, message: object, signal: AbortSignal): Promise<void> {
    const bytes = JSON.stringify(message);
    const body = async () => ({ bytes });
    const read = (): void => undefined;
    const contentType = 'application/json';
    await this.#calls.call({ path, contentType, timeoutMs: TIMEOUT_MS, body, read }, signal);
  }

  /** Each in a lane of its own while others are under way: a build of indexes takes its time. */
  async #restructure<T>(
    path: string,
    message: object,
    read: (answer: Buffer) => T,
    signal: AbortSignal,
  ): Promise<T> {
    const structural = this.#structural;
    let lane = 0;
    while (structural.has(lane)) lane += 1;
    structural.add(lane);
    const numbered = async ({ structureLanes }: Session): Promise<{ bytes: Uint8Array }> => {
      const { record } = this.#calls;
      const number = record === null ? {} : { number: record.nextStructure() };
      const seq = (structureLanes.get(lane) ?? 0) + 1;
      structureLanes.set(lane, seq);
      const numbers = { lane, seq, ...number };
      return { bytes: serialize({ ...message, ...numbers }, { ignoreUndefined: false }) };
    };
    const how = { contentType: BSON, timeoutMs: STRUCTURE_TIMEOUT_MS, body: numbered, read };
    try {
      return await this.#calls.call({ path, ...how }, signal);
    } finally {
      structural.delete(lane);
    }
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
    return this.#calls.call({ path, contentType: BSON, timeoutMs, body, read }, signal);
  }
}

/** One that names thousands of collections is told as far as it goes: refused, it would be told again for ever. */
function shortened(reason: string): string {
  return reason.length <= MOST_OF_A_REASON ? reason : `${reason.slice(0, MOST_OF_A_REASON - 1)}…`;
}
