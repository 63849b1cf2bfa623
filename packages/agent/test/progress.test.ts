import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { serialize } from 'bson';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Journal, openJournal } from '../src/journal/journal.ts';
import { TrackedGate } from '../src/migration/gate.ts';
import { Meter } from '../src/migration/meter.ts';
import { measureIdle, measureProgress, unansweredSource } from '../src/migration/progress.ts';
import { Waiting } from '../src/migration/waiting.ts';

const at = (seconds: number): bigint => BigInt(seconds) << 32n;
const TAILING = {
  cutover: null,
  isListed: true,
  isStructureSettled: true,
  refusals: [],
  toRepair: 0,
};

let folder: string;
let journal: Journal;
let id: number;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'linkspan-progress-'));
  journal = openJournal(join(folder, 'journal.db'), 'm');
  journal.begin({
    sourceIdentity: 'replicaSet:rs0:',
    resumeToken: Buffer.from([5, 0, 0, 0, 0]),
    position: { time: at(100), through: true },
  });
  journal.saveListedAt(at(100));
  id = journal.incarnations.add({
    source: { db: 'shop', coll: 'orders' },
    type: 'collection',
    uuid: null,
    knownSince: at(100),
    state: 'COPIED',
  }).id;
  journal.incarnations.update(id, { toReconcile: false });
});

afterEach(() => {
  vi.useRealTimers();
  journal[Symbol.dispose]();
  rmSync(folder, { recursive: true });
});

/** At 1000 by the source's clock, with the stream read up to `tracked`. */
function contextAt(tracked: number, meter = new Meter()) {
  return {
    journal,
    meter,
    gate: new TrackedGate({ time: at(tracked), through: true }),
    waiting: new Waiting(),
    source: { nowSeconds: () => 1000 },
    pusher: { waiting: null, bytesSent: 0 },
  };
}

function mark(seconds: number): void {
  journal.dirty.mark({
    incarnation: id,
    collated: false,
    documentKey: Buffer.from(serialize({ _id: seconds })),
    operation: 'write',
    time: at(seconds),
  });
}

describe('I8: lag', () => {
  it('is that of what is durable at the destination, not of what was read', () => {
    expect(measureProgress(contextAt(998), TAILING)).toMatchObject({
      lagSeconds: 2,
      readyForCutover: true,
    });
    mark(940);
    expect(measureProgress(contextAt(998), TAILING)).toMatchObject({
      lagSeconds: 60,
      readyForCutover: false,
    });
  });

  it('counts a drop or rename that the destination has not taken', () => {
    journal.saveToken(Buffer.from([5, 0, 0, 0, 0]), { time: at(700), through: true });
    journal.transaction(() => {
      journal.structural.add({ incarnation: id, kind: 'drop' }, null);
      journal.saveToken(Buffer.from([5, 0, 0, 0, 0]), { time: at(998), through: true });
    });
    const unsettled = { ...TAILING, isStructureSettled: false };
    expect(measureProgress(contextAt(998), unsettled)).toMatchObject({
      phase: 'INDEXING',
      lagSeconds: 300,
      readyForCutover: false,
    });
    journal.structural.remove(journal.structural.first()?.sequence ?? 0);
    expect(measureProgress(contextAt(998), TAILING).lagSeconds).toBe(2);
  });

  it('is all of the time since tracking began while it copies, and while it repairs', () => {
    expect(measureProgress(contextAt(998), { ...TAILING, toRepair: 1 })).toMatchObject({
      lagSeconds: 900,
      readyForCutover: false,
    });
    journal.incarnations.update(id, { state: 'COPYING' });
    expect(measureProgress(contextAt(998), TAILING)).toMatchObject({
      phase: 'COPYING',
      lagSeconds: 900,
    });
    expect(measureProgress(contextAt(998), { ...TAILING, isListed: false })).toMatchObject({
      phase: 'STARTING',
      lagSeconds: null,
    });
  });

  it('is never negative, and not known by a clock that is behind the journal', () => {
    expect(measureProgress(contextAt(1010), TAILING).lagSeconds).toBe(0);
    vi.useFakeTimers({ toFake: ['Date'] });
    vi.setSystemTime(50_000);
    const behind = measureIdle({ journal, waiting: new Waiting(), ...unansweredSource(journal) });
    expect(behind).toMatchObject({ lagSeconds: null, readyForCutover: false });
    vi.setSystemTime(400_000);
    const unanswered = { journal, waiting: new Waiting(), ...unansweredSource(journal) };
    vi.setSystemTime(50_000);
    expect(measureIdle(unanswered).lagSeconds, 'the clock jumped back meanwhile').toBe(300);
  });
});

describe('I8: what is left', () => {
  it('is not told while it waits or repairs: nobody knows', () => {
    let now = 0;
    const meter = new Meter(() => now);
    const context = contextAt(998, meter);
    for (let seconds = 900; seconds < 910; seconds += 1) mark(seconds);
    measureProgress(context, TAILING);
    now = 10_000;
    const taken = journal.dirty.take(0, id, 100).slice(0, 1);
    journal.dirty.evict(id, taken, at(998));
    expect(measureProgress(context, TAILING).etaSeconds).toBeGreaterThan(0);
    expect(measureProgress(context, { ...TAILING, toRepair: 1 }).etaSeconds).toBeNull();
    context.waiting.set('a push', 'the destination does not answer');
    expect(measureProgress(context, TAILING)).toMatchObject({
      etaSeconds: null,
      holdingBack: 'WAITING',
      waitingFor: 'the destination does not answer',
    });
  });

  it('says what must be known of: refusals, repairs, what cannot be moved', () => {
    journal.incarnations.update(id, { unsupported: 'it is odd' });
    const { warnings, readyForCutover } = measureProgress(contextAt(998), {
      ...TAILING,
      refusals: ['shop.orders: an index was refused'],
      toRepair: 1,
    });
    expect(warnings).toEqual([
      'shop.orders: an index was refused',
      expect.stringContaining('1 collections are being compared in full and repaired'),
      'shop.orders: it is odd.',
    ]);
    expect(readyForCutover).toBe(false);
  });
});
