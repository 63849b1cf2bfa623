import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { keyOf } from '@linkspan/contract/bson/raw.ts';
import { Selection } from '@linkspan/contract/namespaces/selection.ts';
import { type DigestRequest, documentDigest } from '@linkspan/contract/push/digest.ts';
import type { DocumentsReply } from '@linkspan/contract/push/session.ts';
import type { Namespace } from '@linkspan/contract/push/namespaces.ts';
import type { ReconcileRequest, StructureRequest } from '@linkspan/contract/push/structure.ts';
import { type MongoDB, startMongoDB } from '@linkspan/testkit/mongodb.ts';
import { type Document, type Timestamp, deserialize, serialize } from 'bson';
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';
import type { Incarnation } from '../../src/journal/incarnations.ts';
import { type Journal, openJournal } from '../../src/journal/journal.ts';
import { applyEvent } from '../../src/migration/applyEvent.ts';
import { ByteBudget } from '../../src/migration/budget.ts';
import { DEFAULT_OPTIONS, type MigrationContext } from '../../src/migration/context.ts';
import { TrackedGate } from '../../src/migration/gate.ts';
import { Lives } from '../../src/migration/lives.ts';
import { IncarnationLocks } from '../../src/migration/locks.ts';
import { Meter } from '../../src/migration/meter.ts';
import { Notifier } from '../../src/migration/notifier.ts';
import { Sizes } from '../../src/migration/sizes.ts';
import { Throttle } from '../../src/migration/throttle.ts';
import { Waiting } from '../../src/migration/waiting.ts';
import { PushRefusedError } from '../../src/push/errors.ts';
import type { DocumentBatch, Pusher } from '../../src/push/pusher.ts';
import { type SourceConnection, connectSource } from '../../src/source/connection.ts';
import type { ChangeEvent } from '../../src/source/events.ts';

/**
 * What one step of the engine works with in a test: a real source and a real journal. The tests play
 * the tracker: they say when an event is seen, which the source alone would not let them.
 */
export interface Step {
  mongodb: MongoDB;
  source: SourceConnection;
  journal: Journal;
  stop: AbortController;
  pushed: { op: string; ids: unknown[] }[];
  structured: string[];
  /** Documents at the destination, by collection. */
  there: Map<string, number>;
  /** What a look for keys finds at the destination. */
  found: Buffer[];
  onPush: (batch: DocumentBatch) => Promise<DocumentsReply | undefined>;
  context: MigrationContext;
}

/** Of the test that runs; see {@link withSteps}. */
export const step = {} as Step;

/** Later than everything that the source does. */
export const END_OF_TIME = 0x7fff_ffff_0000_0000n;
export const app = (coll: string): Namespace => ({ db: 'app', coll });
export const collection = (name: string) =>
  step.mongodb.client().db('app').collection<{ _id: unknown; text?: string }>(name);

/** A source for the tests of the file, and a journal and a context for each of them. */
export function withSteps(): void {
  let directory: string;

  beforeAll(async () => {
    step.mongodb = await startMongoDB({ name: 'source' });
  });

  afterAll(async () => {
    await step.mongodb.stop();
  });

  beforeEach(async () => {
    await step.mongodb.client().db('app').dropDatabase();
    step.source = await connectSource(step.mongodb.uri);
    const run = step.source.run.bind(step.source);
    step.source.run = (db, command, session) => run(db, withoutEndOfTime(command), session);
    directory = mkdtempSync(join(tmpdir(), 'linkspan-steps-'));
    step.journal = openJournal(join(directory, 'journal.sqlite'), 'm');
    const start = { time: 1n, through: false };
    step.journal.begin({
      sourceIdentity: 's',
      resumeToken: Buffer.from([5, 0, 0, 0, 0]),
      position: start,
    });
    step.stop = new AbortController();
    step.pushed = [];
    step.structured = [];
    step.there = new Map();
    step.found = [];
    step.onPush = async () => undefined;
    const silent = (): void => undefined;
    step.context = {
      id: 'm',
      selection: Selection.everything,
      source: step.source,
      journal: step.journal,
      pusher: {
        async pushDocuments(batch: DocumentBatch) {
          const ids = batch.documents.map((document) => deserialize(document)['_id'] as unknown);
          const reply = await step.onPush(batch);
          step.pushed.push({ op: batch.op, ids });
          return reply ?? { written: ids.length, duplicates: 0, failures: [] };
        },
        async structure({ action, coll }: StructureRequest) {
          step.structured.push(`${action} ${coll}`);
          return { changes: [] };
        },
        async structures(requests: readonly ReconcileRequest[]) {
          step.structured.push(...requests.map(({ action, coll }) => `${action} ${coll}`));
          return { results: requests.map(() => ({ changes: [], refused: null })) };
        },
        listing: async () => ({
          namespaces: [...step.there.keys()].map((coll) => ({ ...app(coll), type: 'collection' })),
        }),
        digest: async ({ coll }: DigestRequest) => ({
          cursor: null,
          count: step.there.get(coll) ?? 0,
          equal: false,
          documents: [],
        }),
        keyDigests: async () => ({
          documents: step.found.map((raw) => ({ key: keyOf(raw), hash: documentDigest(raw) })),
        }),
      } as unknown as Pusher,
      log: { debug: silent, info: silent, warn: silent, error: silent },
      signal: step.stop.signal,
      options: DEFAULT_OPTIONS,
      hooks: {},
      gate: new TrackedGate(start),
      lives: new Lives(step.journal),
      locks: new IncarnationLocks(),
      inFlight: new ByteBudget(DEFAULT_OPTIONS.inFlightBytes),
      sizes: new Sizes(step.source, step.journal, step.stop.signal),
      work: new Notifier(),
      throttle: new Throttle(null),
      waiting: new Waiting(),
      meter: new Meter(),
    };
  });

  afterEach(async () => {
    step.stop.abort(new Error('the test is over'));
    await step.source[Symbol.asyncDispose]();
    step.journal[Symbol.dispose]();
    rmSync(directory, { recursive: true });
  });
}

/** Servers refuse to wait for a time that is still to come, which the tests let the tracker see. */
function withoutEndOfTime(command: Document): Document {
  const { afterClusterTime, ...concern } = (command['readConcern'] ?? {}) as Document;
  const isToCome = (afterClusterTime as Timestamp | undefined)?.toBigInt() === END_OF_TIME;
  return isToCome ? { ...command, readConcern: concern } : command;
}

/** A collection that is at the destination under its own name. */
export function known(coll: string, state: 'PENDING' | 'COPIED'): Incarnation {
  const { id } = step.journal.incarnations.add({
    source: app(coll),
    type: 'collection',
    uuid: null,
    knownSince: 1n,
    state,
  });
  step.journal.incarnations.update(id, { destination: app(coll), toReconcile: false });
  return step.journal.incarnations.get(id) as Incarnation;
}

/** The tracker sees an event, and with it everything up to the end of time. */
export function see(event: Partial<ChangeEvent>): void {
  const whole: ChangeEvent = {
    type: 'insert',
    token: Buffer.from(`token ${Math.random()}`),
    time: 2n,
    namespace: app('a'),
    to: null,
    documentKey: null,
    uuid: null,
    createdType: 'collection',
    createdCap: null,
    ...event,
  };
  step.context.lives.note(step.journal.transaction(() => applyEvent(step.journal, whole, null)));
  seeAll();
}

export function seeAll(): void {
  step.context.gate.advance({ time: END_OF_TIME, through: true });
  step.context.work.notify();
}

export function mark(incarnation: Incarnation, _id: unknown, operation: 'write' | 'delete'): void {
  const documentKey = keyOf(Buffer.from(serialize({ _id })));
  const { id, collated } = incarnation;
  step.journal.dirty.mark({ incarnation: id, collated, documentKey, operation, time: 2n });
}

/** Lets a step of the engine run until the test is over; that it died is told by what is pushed. */
export function running(one: { run(): Promise<never> }): void {
  one.run().catch((error: unknown) => {
    if (!step.stop.signal.aborted) step.pushed.push({ op: `died: ${String(error)}`, ids: [] });
  });
}

/** Refuses the first push, and takes others once the collection was to be reconciled. */
export function refuseOnce(id: number): typeof step.onPush {
  let isFirst = true;
  return async () => {
    if (isFirst) {
      isFirst = false;
      throw new PushRefusedError('DESTINATION_REFUSED', 'not authorized');
    }
    expect(step.journal.incarnations.get(id)?.toReconcile).toBe(true);
    return undefined;
  };
}
