import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { keyOf } from '@linkspan/contract/bson/raw.ts';
import { Selection } from '@linkspan/contract/namespaces/selection.ts';
import { type DigestRequest, documentDigest } from '@linkspan/contract/push/digest.ts';
import type { DocumentsReply } from '@linkspan/contract/push/messages.ts';
import type { Namespace } from '@linkspan/contract/push/namespaces.ts';
import type { ReconcileRequest, StructureRequest } from '@linkspan/contract/push/structure.ts';
import { type MongoDB, startMongoDB } from '@linkspan/testkit/mongodb.ts';
import { deserialize, serialize } from 'bson';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Incarnation } from '../src/journal/incarnations.ts';
import { type Journal, openJournal } from '../src/journal/journal.ts';
import { applyEvent } from '../src/migration/applyEvent.ts';
import { ByteBudget } from '../src/migration/budget.ts';
import { DEFAULT_OPTIONS, type MigrationContext } from '../src/migration/context.ts';
import { Copier } from '../src/migration/copier.ts';
import { Drain } from '../src/migration/drain.ts';
import { Flusher } from '../src/migration/flusher.ts';
import { TrackedGate } from '../src/migration/gate.ts';
import { listSourceInto } from '../src/migration/listSourceInto.ts';
import { Lives } from '../src/migration/lives.ts';
import { IncarnationLocks } from '../src/migration/locks.ts';
import { Meter } from '../src/migration/meter.ts';
import { Notifier } from '../src/migration/notifier.ts';
import { seriesUnchanged } from '../src/migration/seriesPasses.ts';
import { Sizes } from '../src/migration/sizes.ts';
import { Structure } from '../src/migration/structure.ts';
import { Throttle } from '../src/migration/throttle.ts';
import { Tracker } from '../src/migration/tracker.ts';
import { Verifier } from '../src/migration/verifier.ts';
import { Waiting } from '../src/migration/waiting.ts';
import { PushRefusedError } from '../src/push/errors.ts';
import type { DocumentBatch, Pusher } from '../src/push/pusher.ts';
import { type SourceConnection, connectSource } from '../src/source/connection.ts';
import type { ChangeEvent } from '../src/source/events.ts';

/**
 * One step of the engine at a time, against a real source and a real journal. The tests play the
 * tracker: they say when an event is seen, which the source alone would not let them.
 */
let mongodb: MongoDB;
let source: SourceConnection;
let journal: Journal;
let directory: string;
let stop: AbortController;
let pushed: { op: string; ids: unknown[] }[];
let structured: string[];
/** Documents at the destination, by collection. */
let there: Map<string, number>;
/** What a look for keys finds at the destination. */
let found: Buffer[];
let onPush: (batch: DocumentBatch) => Promise<DocumentsReply | undefined>;
let context: MigrationContext;

const END_OF_TIME = 0x7fff_ffff_0000_0000n;
const app = (coll: string): Namespace => ({ db: 'app', coll });
const collection = (name: string) =>
  mongodb.client().db('app').collection<{ _id: unknown; text?: string }>(name);

beforeAll(async () => {
  mongodb = await startMongoDB({ name: 'source' });
});

afterAll(async () => {
  await mongodb.stop();
});

beforeEach(async () => {
  await mongodb.client().db('app').dropDatabase();
  source = await connectSource(mongodb.uri);
  directory = mkdtempSync(join(tmpdir(), 'linkspan-steps-'));
  journal = openJournal(join(directory, 'journal.sqlite'), 'm');
  const start = { time: 1n, through: false };
  journal.begin({
    sourceIdentity: 's',
    resumeToken: Buffer.from([5, 0, 0, 0, 0]),
    position: start,
  });
  stop = new AbortController();
  pushed = [];
  structured = [];
  there = new Map();
  found = [];
  onPush = async () => undefined;
  const silent = (): void => undefined;
  context = {
    id: 'm',
    selection: Selection.everything,
    source,
    journal,
    pusher: {
      async pushDocuments(batch: DocumentBatch) {
        const ids = batch.documents.map((document) => deserialize(document)['_id'] as unknown);
        const reply = await onPush(batch);
        pushed.push({ op: batch.op, ids });
        return reply ?? { written: ids.length, duplicates: 0, failures: [] };
      },
      async structure({ action, coll }: StructureRequest) {
        structured.push(`${action} ${coll}`);
        return { changes: [] };
      },
      async structures(requests: readonly ReconcileRequest[]) {
        structured.push(...requests.map(({ action, coll }) => `${action} ${coll}`));
        return { results: requests.map(() => ({ changes: [], refused: null })) };
      },
      listing: async () => ({
        namespaces: [...there.keys()].map((coll) => ({ ...app(coll), type: 'collection' })),
      }),
      digest: async ({ coll }: DigestRequest) => ({
        cursor: null,
        count: there.get(coll) ?? 0,
        equal: false,
        documents: [],
      }),
      keyDigests: async () => ({
        documents: found.map((raw) => ({ key: keyOf(raw), hash: documentDigest(raw) })),
      }),
    } as unknown as Pusher,
    log: { debug: silent, info: silent, warn: silent, error: silent },
    signal: stop.signal,
    options: DEFAULT_OPTIONS,
    hooks: {},
    gate: new TrackedGate(start),
    lives: new Lives(journal),
    locks: new IncarnationLocks(),
    inFlight: new ByteBudget(DEFAULT_OPTIONS.inFlightBytes),
    sizes: new Sizes(source, journal, stop.signal),
    work: new Notifier(),
    throttle: new Throttle(null),
    waiting: new Waiting(),
    meter: new Meter(),
  };
});

afterEach(async () => {
  stop.abort(new Error('the test is over'));
  await source[Symbol.asyncDispose]();
  journal[Symbol.dispose]();
  rmSync(directory, { recursive: true });
});

/** A collection that is at the destination under its own name. */
function known(coll: string, state: 'PENDING' | 'COPIED'): Incarnation {
  const { id } = journal.incarnations.add({
    source: app(coll),
    type: 'collection',
    uuid: null,
    knownSince: 1n,
    state,
  });
  journal.incarnations.update(id, { destination: app(coll), toReconcile: false });
  return journal.incarnations.get(id) as Incarnation;
}

/** The tracker sees an event, and with it everything up to the end of time. */
function see(event: Partial<ChangeEvent>): void {
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
  context.lives.note(journal.transaction(() => applyEvent(journal, whole, null)));
  seeAll();
}

function seeAll(): void {
  context.gate.advance({ time: END_OF_TIME, through: true });
  context.work.notify();
}

function mark(incarnation: Incarnation, _id: unknown, operation: 'write' | 'delete'): void {
  const documentKey = keyOf(Buffer.from(serialize({ _id })));
  const { id, collated } = incarnation;
  journal.dirty.mark({ incarnation: id, collated, documentKey, operation, time: 2n });
}

function running(step: { run(): Promise<never> }): void {
  step.run().catch((error: unknown) => {
    if (!stop.signal.aborted) pushed.push({ op: `died: ${String(error)}`, ids: [] });
  });
}

/** Refuses the first push, and takes others once the collection was to be reconciled. */
function refuseOnce(id: number): typeof onPush {
  let isFirst = true;
  return async () => {
    if (isFirst) {
      isFirst = false;
      throw new PushRefusedError('DESTINATION_REFUSED', 'not authorized');
    }
    expect(journal.incarnations.get(id)?.toReconcile).toBe(true);
    return undefined;
  };
}

describe('the copy', () => {
  it('D7: that nothing was found under a name counts only once the stream has passed it', async () => {
    await collection('b').insertMany([{ _id: 1 }, { _id: 2 }]);
    const { id } = known('a', 'PENDING');
    running(new Copier(context));
    await vi.waitFor(() => expect(context.gate.isWaitedFor).toBe(true));
    see({ type: 'rename', to: app('b') });
    journal.structural.remove(1);
    context.work.notify();
    await vi.waitFor(() => expect(journal.incarnations.get(id)?.state).toBe('COPIED'));
    expect(pushed).toEqual([{ op: 'insert', ids: [1, 2] }]);
  });

  it('D16: what the destination refuses is reconciled and pushed again', async () => {
    await collection('a').insertMany([{ _id: 1 }, { _id: 2 }]);
    const { id } = known('a', 'PENDING');
    onPush = refuseOnce(id);
    seeAll();
    running(new Copier(context));
    await vi.waitFor(() => expect(journal.incarnations.get(id)?.state).toBe('COPIED'), 3000);
    expect(pushed).toEqual([{ op: 'insert', ids: [1, 2] }]);
  });

  it('I8: what broke off with its collection is not waited for any more', async () => {
    for (const name of ['dropped', 'renamed']) {
      await collection(name).insertOne({ _id: 1 });
      known(name, 'PENDING');
    }
    onPush = async () => {
      throw new PushRefusedError('DESTINATION_REFUSED', 'not authorized');
    };
    seeAll();
    running(new Copier(context));
    const told = (): string | null => context.waiting.describe();
    await vi.waitFor(() => expect(told()).toMatch(/app.dropped.*app.renamed/));
    see({ type: 'drop', namespace: app('dropped'), time: END_OF_TIME });
    expect(told()).toMatch(/^copying app.renamed/);
    see({ type: 'rename', namespace: app('renamed'), to: app('b'), time: END_OF_TIME });
    expect(told()).toBeNull();
  });

  it('D2, D7: a collection that is dropped or renamed while it is made again takes nothing of another', async () => {
    const options = { capped: true, size: 4096 };
    const ids = ['dropped', 'renamed'].map((name) => known(name, 'PENDING').id);
    for (const id of ids) journal.incarnations.update(id, { toRecopy: true, capped: '4096/0' });
    for (const name of ['dropped', 'renamed']) {
      await mongodb.client().db('app').createCollection(name, options);
    }
    const structure = context.pusher.structure.bind(context.pusher);
    context.pusher.structure = async (request, signal) => {
      const reply = await structure(request, signal);
      if (request.action !== 'collection') return reply;
      const namespace = app(request.coll);
      await collection(request.coll).insertOne({ _id: 'of another' });
      if (request.coll === 'dropped') {
        see({ type: 'drop', namespace, time: 3n });
        see({ type: 'create', namespace, time: 4n });
      } else see({ type: 'rename', namespace, to: app('b'), time: 3n });
      return reply;
    };
    seeAll();
    running(new Copier(context));
    await vi.waitFor(() => {
      expect(structured).toEqual(
        expect.arrayContaining(['collection dropped', 'collection renamed']),
      );
    });
    await vi.waitFor(() => expect(context.locks.size).toBe(0));
    expect(ids.map((id) => journal.incarnations.get(id)?.state)).toEqual(['ENDED', 'PENDING']);
    expect(pushed).toEqual([]);
  });

  it('I8: what has no ranges, since it broke off in its order, is copied and not taken for copied', async () => {
    await collection('a').insertMany([{ _id: 1 }, { _id: 2 }]);
    const { id } = known('a', 'PENDING');
    journal.incarnations.update(id, { state: 'COPYING' });
    seeAll();
    running(new Copier(context));
    await vi.waitFor(() => expect(journal.incarnations.get(id)?.state).toBe('COPIED'));
    expect(pushed).toEqual([{ op: 'insert', ids: [1, 2] }]);
  });

  it('cuts a large collection into ranges also where it was put off at first', async () => {
    const text = 'x'.repeat(1000);
    await collection('a').insertMany(Array.from({ length: 400 }, (_, _id) => ({ _id, text })));
    const { id } = known('a', 'PENDING');
    journal.incarnations.update(id, { state: 'COPYING', bytesTotal: 400_000, measured: true });
    journal.ranges.plan(id, []);
    context = { ...context, options: { ...context.options, copyBatchBytes: 1, rangeBytes: 1000 } };
    let ranges = 0;
    onPush = async () => {
      ranges = Math.max(ranges, journal.ranges.of(id).length);
      return undefined;
    };
    seeAll();
    running(new Copier(context));
    await vi.waitFor(() => expect(journal.incarnations.get(id)?.state).toBe('COPIED'), 5000);
    expect(ranges).toBeGreaterThan(1);
  });

  it('I8: a document that the destination refuses does not count as copied', async () => {
    await collection('a').insertMany([{ _id: 1 }, { _id: 2 }, { _id: 3 }]);
    const { id } = known('a', 'PENDING');
    const failures = [{ index: 1, code: 121, message: 'refused' }];
    onPush = async () => ({ written: 2, duplicates: 0, failures });
    seeAll();
    running(new Copier(context));
    await vi.waitFor(() => expect(journal.incarnations.get(id)?.state).toBe('COPIED'), 3000);
    expect(journal.incarnations.get(id)).toMatchObject({ documentsCopied: 2, documentsTotal: 2 });
    expect(journal.dirty.count(), 'it is pending').toBe(1);
  });
});

describe('the flush', () => {
  it('D7: a rename that is seen while deletes are pushed makes the name to read another', async () => {
    await collection('b').insertMany([{ _id: 2, text: 'new' }]);
    const incarnation = known('a', 'COPIED');
    mark(incarnation, 1, 'delete');
    for (let _id = 2; _id < 12; _id += 1) mark(incarnation, _id, 'write');
    for (let _id = 12; _id < 22; _id += 1) mark(incarnation, _id, 'delete');
    let isRenamed = false;
    onPush = async () => {
      if (!isRenamed) see({ type: 'rename', to: app('b') });
      isRenamed = true;
      return undefined;
    };
    running(new Flusher(context));
    await vi.waitFor(() => expect(pushed.length).toBeGreaterThan(3));
    journal.structural.remove(1);
    context.work.notify();
    await vi.waitFor(() => expect(journal.dirty.count()).toBe(0));
    expect(pushed.filter(({ op }) => op === 'replace')).toEqual([{ op: 'replace', ids: [2] }]);
    expect(pushed.filter(({ op, ids }) => op === 'delete' && ids.includes(2))).toEqual([]);
  });

  it('D16: what the destination refuses is reconciled and pushed again', async () => {
    await collection('a').insertOne({ _id: 1 });
    const incarnation = known('a', 'COPIED');
    mark(incarnation, 1, 'write');
    onPush = refuseOnce(incarnation.id);
    seeAll();
    running(new Flusher(context));
    await vi.waitFor(() => expect(journal.dirty.count()).toBe(0), 3000);
    expect(pushed).toEqual([{ op: 'replace', ids: [1] }]);
  });

  it('D15: under a collation, a key that has gone takes no equal one with it', async () => {
    const options = { collation: { locale: 'en', strength: 2 } };
    await mongodb.client().db('app').createCollection('a', options);
    await collection('a').insertOne({ _id: 'A' });
    const { id } = known('a', 'COPIED');
    journal.incarnations.update(id, { collated: true });
    const incarnation = journal.incarnations.get(id) as Incarnation;
    // As a repair marks them that finds "a" at the destination alone, and "A" at the source.
    mark(incarnation, 'A', 'write');
    mark(incarnation, 'a', 'write');
    seeAll();
    running(new Flusher(context));
    await vi.waitFor(() => expect(journal.dirty.count()).toBe(0), 3000);
    // The destination takes a delete of "a" for one of "A".
    expect(pushed.filter(({ op }) => op === 'delete')).toEqual([{ op: 'delete', ids: ['a'] }]);
    expect(pushed.at(-1)).toEqual({ op: 'replace', ids: ['A'] });
  });

  /** A capped collection that is at the destination, with three documents at the source. */
  async function cappedWithThree(): Promise<Incarnation> {
    await mongodb.client().db('app').createCollection('a', { capped: true, size: 4096 });
    await collection('a').insertMany([{ _id: 3 }, { _id: 1 }, { _id: 2 }]);
    const { id } = known('a', 'COPIED');
    journal.incarnations.update(id, { capped: '4096/0' });
    return journal.incarnations.get(id) as Incarnation;
  }

  it('D12: what was inserted into a capped collection is pushed in that order, whatever came later', async () => {
    await cappedWithThree();
    for (const _id of [3, 1, 2]) {
      see({ type: 'insert', documentKey: Buffer.from(serialize({ _id })) });
    }
    for (const type of ['update', 'delete', 'insert']) {
      see({ type, documentKey: Buffer.from(serialize({ _id: 1 })) });
    }
    see({ type: 'update', documentKey: Buffer.from(serialize({ _id: 3 })) });
    running(new Flusher(context));
    await vi.waitFor(() => expect(journal.dirty.count()).toBe(0), 3000);
    expect(pushed).toEqual([
      { op: 'replace', ids: [3, 2] },
      { op: 'recreate', ids: [1] },
    ]);
  });

  it('D12: what the destination does not take of a capped collection is left to a comparison', async () => {
    const incarnation = await cappedWithThree();
    onPush = async ({ documents }) => ({
      written: 0,
      duplicates: 0,
      failures: documents.map((_, index) => ({ index, code: 20, message: 'not in a capped one' })),
    });
    mark(incarnation, 9, 'delete');
    seeAll();
    running(new Flusher(context));
    await vi.waitFor(() => expect(journal.dirty.count()).toBe(0), 3000);
    expect(journal.incarnations.get(incarnation.id)?.toRepair, 'it evicts by itself').toBe(false);
    mark(incarnation, 1, 'write');
    context.work.notify();
    await vi.waitFor(() => expect(journal.dirty.count()).toBe(0), 3000);
    expect(journal.incarnations.get(incarnation.id)?.toRepair).toBe(true);
  });

  it('D17: what a unique index of a cutover refuses ends the cutover, not the migration', async () => {
    await collection('a').insertOne({ _id: 1 });
    mark(known('a', 'COPIED'), 1, 'write');
    journal.saveStage('unique');
    const failures = [{ index: 0, code: 11_000, message: 'another document has the same key' }];
    onPush = async () => ({ written: 0, duplicates: 0, failures });
    seeAll();
    const flusher = new Flusher(context);
    running(flusher);
    await vi.waitFor(() => expect(flusher.stuck).toContain('app.a refuses'), 15_000);
    // Without the index it is taken.
    journal.saveStage('tail');
    onPush = async () => undefined;
    await vi.waitFor(() => expect(journal.dirty.count()).toBe(0), 3000);
    expect(pushed.every(({ op }) => op === 'replace')).toBe(true);
  });
});

it('D16: a drop waits for one push, and not for all that a throttle holds back', async () => {
  const text = 'x'.repeat(1000);
  const incarnation = known('a', 'COPIED');
  await collection('a').insertMany(Array.from({ length: 40 }, (_, _id) => ({ _id, text })));
  for (let _id = 0; _id < 40; _id += 1) mark(incarnation, _id, 'write');
  let now = 0;
  const clock = {
    now: () => now,
    sleep: async (milliseconds: number) => void (now += milliseconds),
  };
  const throttle = new Throttle({ bytesPerSecond: 1000, documentsPerSecond: null }, clock);
  context = { ...context, throttle };
  onPush = async () => {
    see({ type: 'drop', time: END_OF_TIME });
    return undefined;
  };
  seeAll();
  running(new Flusher(context));
  await vi.waitFor(() => expect(pushed.length).toBeGreaterThan(0));
  await context.locks.exclusive(incarnation.id, async () => undefined);
  expect(pushed).toHaveLength(1);
});

it('I3: a journal that has no room when sizes are told ends no process', async () => {
  await collection('a').insertOne({ _id: 1 });
  known('a', 'PENDING');
  const update = vi.fn<() => void>(() => {
    throw new Error('database or disk is full');
  });
  const full = { ...journal, incarnations: { ...journal.incarnations, update } };
  const sizes = new Sizes(source, full, stop.signal);
  sizes.begin(false);
  // Of the answer, and of there being none: vitest fails where a rejection is nobody's.
  await vi.waitFor(() => expect(update).toHaveBeenCalledTimes(2));
  await new Promise(setImmediate);
});

describe('a cutover', () => {
  it('D22: does not wait for ever for a side that is away while it compares', async () => {
    const pusher = { ...context.pusher, away: 'the server cannot be reached', waiting: null };
    context = { ...context, pusher, options: { ...context.options, drainMs: 50 } };
    const structure = new Structure(context);
    const drain = new Drain(context, {
      tracker: new Tracker(context, () => undefined),
      flusher: new Flusher(context),
      verifier: new Verifier(context, () => ({ verify: 0, repair: 0 })),
      structure,
    });
    let stopped: AbortSignal | null = null;
    const compared = drain.whileAnswered('comparing names', async (signal) => {
      stopped = signal;
      await context.work.wait(context.work.version, 60_000, signal);
    });
    await expect(compared).rejects.toThrow(/comparing names had to wait .*cannot be reached/);
    expect(stopped).toMatchObject({ aborted: true });
  });
});

describe('the tracker', () => {
  it('D1: after lost history nothing new is taken for complete before it was listed', async () => {
    known('a', 'COPIED');
    journal.saveListedAt(1n);
    let isRelistWanted = false;
    running(new Tracker(context, () => (isRelistWanted = true)));
    // The journal holds no token that a source could go on from.
    await vi.waitFor(() => expect(isRelistWanted).toBe(true));
    expect(journal.state()?.listedAt).toBeNull();
    expect(journal.incarnations.byName(app('a'))?.toRepair).toBe(true);
  });
});

describe('a listing of the source', () => {
  const names = (): string[] =>
    [...journal.incarnations.live()].map(({ source: { coll } }) => coll);
  /** Later than everything that the source does. */
  const later = { time: END_OF_TIME };
  /** What is done at each listing, in turn; then nothing. */
  function atListings(...acts: ((what: string) => unknown)[]): string[] {
    const listed: string[] = [];
    const afterSourceListing = async (what: string): Promise<void> => {
      listed.push(what);
      await acts.shift()?.(what);
    };
    context = { ...context, hooks: { afterSourceListing } };
    return listed;
  }

  beforeEach(async () => {
    for (const name of ['a', 'b']) await collection(name).insertOne({ _id: 1 });
    seeAll();
  });

  it('D7: lists names that were dropped meanwhile again by themselves, and the others count', async () => {
    const listed = atListings(async () => {
      await collection('a').drop();
      see({ type: 'drop', ...later });
    });
    await listSourceInto(context);
    expect(names()).toEqual(['b']);
    expect(listed).toEqual(['all', 'app.a']);
    expect(journal.state()?.listedAt).not.toBeNull();
  });

  it('D5: finds what was dropped and made again meanwhile without an event', async () => {
    atListings(
      () => see({ type: 'drop', ...later }),
      () => see({ type: 'drop', ...later }),
    );
    await listSourceInto(context);
    expect(names()).toEqual(['b', 'a']);
  });

  it('D2: leaves a name that is made while it is listed to its events', async () => {
    const dropAndMake = (): void => {
      see({ type: 'drop', ...later });
      see({ type: 'create', uuid: '22'.repeat(16), ...later });
    };
    const listed = atListings(...Array.from({ length: 20 }, () => dropAndMake));
    await listSourceInto(context);
    expect(listed).toEqual(['all']);
    expect(journal.incarnations.byName(app('a'))).toMatchObject({
      state: 'COPIED',
      uuid: '22'.repeat(16),
    });
  });

  it('D5: an event that is older than the listing does not tell what has the name now', async () => {
    known('a', 'COPIED');
    const listed = atListings(() => see({ type: 'create', time: 1n }));
    await listSourceInto(context);
    expect(listed).toEqual(['all', 'app.a']);
    expect(names()).toEqual(['a', 'b']);
  });

  it('D16: follows a rename, from one database to another, too', async () => {
    const { id } = known('a', 'COPIED');
    const other = { db: 'other', coll: 'x' };
    const listed = atListings(() => see({ type: 'rename', to: other, ...later }));
    await collection('a').drop();
    await listSourceInto(context);
    expect(listed).toEqual(['all', 'app.a']);
    expect(journal.incarnations.byName(other)?.id).toBe(id);
    expect(journal.structural.first()).toMatchObject({
      incarnation: id,
      kind: 'rename',
      to: other,
    });
  });

  it('D16: a database that is dropped meanwhile takes all of its names along', async () => {
    await mongodb.client().db('app').createCollection('v', { viewOn: 'a', pipeline: [] });
    atListings(async () => {
      await mongodb.client().db('app').dropDatabase();
      see({ type: 'dropDatabase', namespace: app(''), ...later });
    });
    await listSourceInto(context);
    expect(names()).toEqual([]);
  });

  it('D2: another collection under a known name is a new one', async () => {
    const { id } = known('a', 'COPIED');
    journal.incarnations.update(id, { uuid: '11'.repeat(16) });
    await listSourceInto(context);
    const found = journal.incarnations.byName(app('a'));
    expect(found).toMatchObject({ state: 'PENDING' });
    expect(journal.structural.first()).toMatchObject({ incarnation: id, kind: 'drop' });
  });

  it('D1: counts for nothing where history was lost meanwhile', async () => {
    known('gone', 'COPIED');
    atListings(() => context.lives.everythingChanged());
    await listSourceInto(context);
    expect(names()).toEqual(['gone']);
    expect(journal.state()?.listedAt).toBeNull();
  });
});

describe('structure', () => {
  it('I6: nothing is kept in memory of collections that have gone', async () => {
    const structure = new Structure(context);
    seeAll();
    running(structure);
    context.sizes.begin(false);
    const ids: number[] = [];
    for (let round = 0; round < 5; round += 1) {
      await collection('tmp').insertOne({ _id: 1 });
      await collection('tmp').createIndex({ at: 1 }, { expireAfterSeconds: 3600 });
      await listSourceInto(context);
      await vi.waitFor(() => expect(structure.isSettled).toBe(true));
      const { id } = journal.incarnations.byName(app('tmp')) as Incarnation;
      ids.push(id);
      const names = context.lives.nameChanges(id);
      await collection('tmp').drop();
      see({ type: 'drop', namespace: app('tmp'), time: END_OF_TIME });
      expect(context.lives.nameChanges(id) === names, 'what was read of it is worthless').toBe(
        false,
      );
      await vi.waitFor(() => expect(journal.incarnations.get(id)).toBeUndefined());
      context.lives.structureChanged(id);
      expect(context.lives.nameChanges(id) === names, 'and stays so').toBe(false);
    }
    expect(new Set(ids).size, 'D2: an id is never given again').toBe(5);
    expect([context.lives.size, context.locks.size]).toEqual([0, 0]);
  });

  it('D2: a reconciliation that finds another collection under the name makes it a new one', async () => {
    await collection('a').insertOne({ _id: 1 });
    const { id } = known('a', 'COPIED');
    journal.incarnations.update(id, { uuid: '11'.repeat(16), toReconcile: true });
    seeAll();
    const structure = new Structure(context);
    running(structure);
    await vi.waitFor(() => expect(structure.isSettled).toBe(true));
    expect(structured).toEqual(['drop a', 'collection a']);
    expect(journal.incarnations.byName(app('a'))?.state).toBe('PENDING');
  });

  it('D21: is not settled while the source is listed', async () => {
    await collection('a').insertOne({ _id: 1 });
    const structure = new Structure(context);
    structure.relist();
    running(structure);
    await vi.waitFor(() => expect(context.gate.isWaitedFor).toBe(true));
    expect(structure.isSettled).toBe(false);
    seeAll();
    await vi.waitFor(() => expect(structure.isSettled).toBe(true));
    expect(structured).toEqual(['collection a']);
  });

  it('I4: what a crash left behind unknown to the journal is dropped if it is empty', async () => {
    there = new Map([
      ['left', 0],
      ['leftFull', 1],
      ['known', 0],
      ['renamed', 0],
    ]);
    const { id } = known('known', 'COPIED');
    journal.structural.add({ incarnation: id, kind: 'rename', to: app('renamed') }, null);
    const { id: unmade } = known('unmade', 'COPIED');
    journal.incarnations.update(unmade, { destination: null });
    seeAll();
    running(new Structure(context));
    await vi.waitFor(() => expect(journal.structural.count()).toBe(0));
    expect(structured).toEqual(['drop left', 'rename known']);
  });
});

describe('verification', () => {
  const wanted = { verify: 0, repair: 0 };

  beforeEach(() => journal.saveListedAt(1n));

  it('D7: counts only once the stream has passed it', async () => {
    await collection('b').insertOne({ _id: 1 });
    found = [Buffer.from(serialize({ _id: 1 }))];
    const { id } = known('a', 'COPIED');
    running(new Verifier(context, () => wanted));
    await vi.waitFor(() => expect(context.gate.isWaitedFor).toBe(true));
    see({ type: 'rename', to: app('b') });
    await vi.waitFor(() => expect(context.gate.isWaitedFor).toBe(false));
    expect(journal.verifications.of(id)).toMatchObject({ done: false, documents: 0 });
    expect(journal.verifications.isComplete(true)).toBe(false);
    journal.structural.remove(1);
    await vi.waitFor(() => expect(journal.verifications.isComplete(true)).toBe(true), 5000);
    expect(journal.verifications.of(id)).toMatchObject({ done: true, documents: 1 });
  });

  it('D20: what differs of a time series is found by its buckets, and goes as delete and insert', async ({
    skip,
  }) => {
    if (mongodb.capabilities.silentTimeSeries) skip('the server makes such collections itself');
    const { id } = known('w', 'COPIED');
    journal.incarnations.update(id, { buckets: true });
    // An ordinary collection of that name stands for the buckets; no event of it is applied.
    await collection('system.buckets.w').insertMany([{ _id: 1 }, { _id: 2 }]);
    const sent: DocumentBatch[] = [];
    onPush = async (batch) => void sent.push(batch);
    seeAll();
    for (const _id of [1, 2]) {
      const documentKey = Buffer.from(serialize({ _id }));
      const mark = { incarnation: id, collated: false, operation: 'write', time: 2n } as const;
      journal.dirty.mark({ ...mark, documentKey });
    }
    running(new Flusher(context));
    await vi.waitFor(() => expect(journal.dirty.count()).toBe(0));
    expect(
      new Set(pushed.flatMap(({ op, ids }) => ids.map((one) => `${op} ${String(one)}`))),
    ).toEqual(new Set(['recreate 1', 'recreate 2']));
    expect(sent.every(({ coll, buckets }) => coll === 'w' && buckets === true)).toBe(true);
    await expect(seriesUnchanged(context), 'D21: written after it was verified').rejects.toThrow(
      'app.w was written',
    );
  });

  it('goes on when the collection is dropped meanwhile, and marks nothing of it', async () => {
    await collection('a').insertOne({ _id: 1 });
    const { id } = known('a', 'COPIED');
    running(new Verifier(context, () => wanted));
    await vi.waitFor(() => expect(context.gate.isWaitedFor).toBe(true));
    see({ type: 'drop', time: END_OF_TIME });
    await vi.waitFor(() => expect(context.gate.isWaitedFor).toBe(false));
    expect(journal.verifications.of(id)).toBeUndefined();
    expect(journal.keysToVerify.count() + journal.dirty.count()).toBe(0);
    expect(pushed).toEqual([]);
  });
});
