import { type ClientSession, type Document, Long, MongoServerError, Timestamp } from 'mongodb';
import { documentsOfArray, findElement } from '@linkspan/contract/bson/raw.ts';
import type { ClusterTime } from '../journal/clusterTime.ts';
import type { TrackedPosition } from '../journal/journal.ts';
import type { SourceConnection } from './connection.ts';
import { readCursor } from './cursor.ts';
import { type ChangeEvent, EVENT_PROJECTION, parseEvent } from './events.ts';
import { placeOfToken } from './resumeToken.ts';

/** One reply of the stream. The events and the token belong together: journal them as one. */
export interface StreamBatch {
  readonly events: readonly ChangeEvent[];
  readonly token: Buffer;
  readonly position: TrackedPosition;
}

/** The source no longer has the history after the resume token (server codes 280 and 286; rule D1). */
export class HistoryLostError extends Error {
  override readonly name = 'HistoryLostError';
}

/** Where to begin: at the newest moment, or behind a token. */
export type StreamStart =
  | { readonly at: 'now' }
  | { readonly at: 'token'; readonly token: Buffer; readonly position: TrackedPosition };

export interface ChangeStream extends AsyncDisposable {
  /** The stream's first token: where it began. Behind a token that stays so until there is an event, or {@link next}. */
  readonly first: StreamBatch;
  /**
   * The next reply; without events after `waitMs` milliseconds if none came.
   * @throws {HistoryLostError}
   * @throws the driver's errors: open the stream again behind the last token
   */
  next(waitMs: number): Promise<StreamBatch>;
}

const EVENTS_PER_REPLY = 2000;

/** The first version that sends events for indexes and options, if it is asked to; older ones refuse to be. */
export const FIRST_WITH_EXPANDED_EVENTS = 6;

const CHANGE_STREAM_FATAL = 280;
const CHANGE_STREAM_HISTORY_LOST = 286;

/**
 * Opens the change stream over the whole deployment (rule D1).
 * @throws {HistoryLostError}
 */
export async function openChangeStream(
  source: SourceConnection,
  start: StreamStart,
): Promise<ChangeStream> {
  const session = source.session();
  try {
    const opened = await open(source, session, start);
    return new RawChangeStream(source, session, opened, start);
  } catch (error) {
    await session.endSession();
    throw asHistoryLost(error);
  }
}

async function open(source: SourceConnection, session: ClientSession, start: StreamStart) {
  // Each time: a source may have been upgraded since the last stream broke off.
  const { reply: build } = await source.run('admin', { buildInfo: 1 }, session);
  const isExpanded = Number.parseInt(String(build['version']), 10) >= FIRST_WITH_EXPANDED_EVENTS;
  const stage: Document = {
    allChangesForCluster: true,
    ...(isExpanded && { showExpandedEvents: true }),
  };
  if (start.at === 'token') stage['resumeAfter'] = tokenDocument(start.token);
  const command = {
    aggregate: 1,
    pipeline: [{ $changeStream: stage }, { $project: EVENT_PROJECTION }],
    cursor: { batchSize: start.at === 'now' ? 0 : EVENTS_PER_REPLY },
    readConcern: { level: 'majority' },
  };
  return source.run('admin', command, session);
}

/** The driver sends a token as it is: its one field is text. */
function tokenDocument(token: Buffer): Document {
  const data = findElement(token, '_data');
  if (data === undefined) throw new HistoryLostError('the journal holds no usable resume token');
  return { _data: token.toString('utf8', data.value + 4, data.end - 1) };
}

class RawChangeStream implements ChangeStream {
  readonly first: StreamBatch;
  readonly #source: SourceConnection;
  readonly #session: ClientSession;
  readonly #collection: string;
  #id: Long;
  #last: { token: Buffer; position: TrackedPosition };

  constructor(
    source: SourceConnection,
    session: ClientSession,
    opened: { cursor: Buffer; time: ClusterTime },
    start: StreamStart,
  ) {
    this.#source = source;
    this.#session = session;
    const { id, collection } = readCursor(opened.cursor);
    this.#id = id;
    this.#collection = collection;
    const began =
      start.at === 'token'
        ? { token: start.token, position: start.position }
        : { token: Buffer.alloc(0), position: { time: opened.time, through: false } };
    this.#last = began;
    const first = this.#batch(opened.cursor, 'firstBatch', false);
    // Without events the token may be of the moment of opening, which no scan of the history has reached:
    // some servers still commit writes that have earlier times. So nothing was passed yet (rule D7).
    const hasPassedNothing = start.at === 'token' && first.events.length === 0;
    this.first = hasPassedNothing ? { ...first, ...began } : first;
    if (hasPassedNothing) this.#last = began;
  }

  async next(waitMs: number): Promise<StreamBatch> {
    try {
      const { cursor } = await this.#source.run(
        'admin',
        {
          getMore: this.#id,
          collection: this.#collection,
          batchSize: EVENTS_PER_REPLY,
          maxTimeMS: waitMs,
        },
        this.#session,
      );
      return this.#batch(cursor, 'nextBatch', true);
    } catch (error) {
      throw asHistoryLost(error);
    }
  }

  #batch(cursor: Buffer, field: string, waited: boolean): StreamBatch {
    const array = findElement(cursor, field);
    const events =
      array === undefined ? [] : documentsOfArray(cursor, array).map((raw) => parseEvent(raw));
    const element = findElement(cursor, 'postBatchResumeToken');
    const token =
      element === undefined
        ? (events.at(-1)?.token ?? this.#last.token)
        : Buffer.from(cursor.subarray(element.value, element.end));
    const position = this.#positionAfter(events, token, waited);
    this.#last = { token, position };
    return { events, token, position };
  }

  /**
   * A reply with events may end inside a transaction, whose events all have one time; a high-water
   * mark, or a reply without events, shows that there is no more at that time.
   */
  #positionAfter(events: readonly ChangeEvent[], token: Buffer, waited: boolean): TrackedPosition {
    const last = this.#last.position;
    const place = placeOfToken(token);
    const time = place?.time ?? events.at(-1)?.time ?? last.time;
    if (time < last.time) return last;
    const complete = place?.highWaterMark === true || (waited && events.length === 0);
    return { time, through: complete || (time === last.time && last.through) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#source
      .run('admin', { killCursors: this.#collection, cursors: [this.#id] }, this.#session)
      .catch(() => undefined);
    await this.#session.endSession();
  }
}

function asHistoryLost(error: unknown): unknown {
  if (error instanceof MongoServerError) {
    if (error.code === CHANGE_STREAM_FATAL || error.code === CHANGE_STREAM_HISTORY_LOST) {
      return new HistoryLostError(
        `the source no longer has the changes after the last one that was read: ${error.message}`,
      );
    }
  }
  return error;
}

/** A cluster time as the driver writes it. */
export function timestampOf(time: ClusterTime): Timestamp {
  return new Timestamp(time);
}
