import { setTimeout as delay } from 'node:timers/promises';
import { compareClusters, type Comparison } from '@linkspan/testkit/compare.ts';
import type { LiveMigrationDetail } from '@linkspan/contract/api/liveMigrations.ts';
import type { Namespaces } from '@linkspan/contract/push/work.ts';
import type { LinkedPair } from '@linkspan/testkit/linkedPair.ts';
import { ask, CONTROLS } from './controls.ts';
import { lasting, type Target } from './faults/fault.ts';
import { FAULTS } from './faults/index.ts';
import type { Figures } from './figures.ts';
import { findHung, revive } from './hung.ts';
import type { Random } from './random.ts';
import { openSource, Workers } from './workers.ts';
import { FEATURES, FEATURES_OF_SEVERAL_HOSTS } from './workload/index.ts';

/** After the last fault the migration has so long to catch up, in milliseconds. */
const CATCH_UP_MS = 240_000;
const CUTOVER_ATTEMPTS = 6;

/** Names that come and go cross the edge of what is moved all the time (rule D18). */
const SOME_UNDER_OTHER_NAMES: Namespaces = {
  include: [],
  exclude: ['*.tmp1', 'app.tmp3'],
  rename: [
    { from: 'app', to: 'moved' },
    { from: 'app.users', to: 'moved.people' },
    { from: 'app.tmp4', to: 'moved.passing' },
  ],
};

/** So slow that a fault strikes while both hosts copy. */
const SHARED_COPY = { documentsPerSecond: 1000, bytesPerSecond: null };

export interface Round {
  readonly seed: string;
  readonly random: Random;
  readonly target: Target;
  readonly figures: Figures;
  readonly seconds: number;
  readonly faults: number;
  /** False for the first migration of a pair: the destination is empty. */
  readonly hasPredecessor: boolean;
  readonly say: (text: string) => void;
}

/**
 * One migration from its start to a cutover that is compared, while the source is written and faults
 * strike. The documents are compared once before the cutover as well: its verification repairs, and
 * would hide what the change stream's way has missed.
 */
export async function runRound(round: Round): Promise<void> {
  const { target, figures, random } = round;
  const { pair } = target;
  await using source = openSource(pair.source.uri);
  await clear(pair);
  const isShared = target.furtherAgent !== null;
  const features = isShared ? FEATURES_OF_SEVERAL_HOSTS : FEATURES;
  for (const feature of features) {
    await feature.prepare?.(source, random.fork(`prepare ${feature.name}`));
  }
  const entries = await oplogEntries(pair);
  const workers = new Workers({
    source,
    server: pair.source.server,
    features,
    figures,
    random: random.fork('operations'),
  });
  const namespaces = random.fork('namespaces').chance(0.5) ? SOME_UNDER_OTHER_NAMES : null;
  if (namespaces !== null) round.say('some collections alone, and under other names');
  const id = await pair.start({
    dropDestinationData: round.hasPredecessor,
    namespaces,
    ...(isShared && { throttle: SHARED_COPY }),
  });
  const atEnd = new AsyncDisposableStack();
  const stopWriting = async (): Promise<void> => {
    await workers.stop();
    await atEnd.disposeAsync();
  };
  try {
    await strike(round, id, atEnd, stopWriting);
  } finally {
    await stopWriting();
  }
  await reviveAndRepair(round, id, stopWriting);
  figures.events += (await oplogEntries(pair)) - entries;
  const asked = await pair.until(id, 'no cutover under way', isOver, CATCH_UP_MS);
  let complete = asked;
  if (asked.status !== 'COMPLETE') {
    await drained(pair, id);
    const before = await compare(pair, namespaces);
    note(round, 'before the cutover', documentsOnly(before), before.contradictions);
    complete = await cutOver(round, id);
  }
  const comparison = await compare(pair, namespaces);
  note(round, 'after the cutover', comparison.differences, comparison.contradictions);
  round.say(`compared: ${comparison.documents} documents`);
  figures.rounds += 1;
  figures.documents += comparison.documents;
  figures.collections += comparison.collections;
  figures.bytes += comparison.bytes;
  figures.pushed += complete.progress?.documentsFlushed ?? 0;
}

/** Faults one after the other and controls between them, spread over the time of the round. */
async function strike(
  round: Round,
  id: string,
  atEnd: AsyncDisposableStack,
  stopWriting: () => Promise<void>,
): Promise<void> {
  const { target, figures, random, seconds, faults, say } = round;
  const order = random.fork('faults');
  const every = (seconds * 1000) / (faults + 1);
  const possible = FAULTS.filter((fault) => fault.isPossible?.(target) !== false);
  let due = performance.now();
  for (let number = 0; number < faults; number += 1) {
    const one = order.fork(number);
    const fault = one.weighted(possible);
    const lasts = Math.min(lasting(one), every * 2);
    const control = one.chance(0.25) ? one.weighted(CONTROLS) : null;
    due += every * (0.5 + one.next());
    await delay(Math.max(0, due - performance.now()));
    if (control !== null) {
      say(control.kind);
      await control.act(target.pair, id, one, atEnd);
      figures.control(control.kind);
    }
    // A cutover that finds the source at rest rightly succeeds, and the workload would go on behind it.
    if (fault.restsSource === true && (await isCuttingOver(target.pair, id))) {
      say(`left out in a cutover: ${fault.kind}`);
      continue;
    }
    say(`${fault.kind}, ${Math.round(lasts)} ms`);
    const heal = await fault.strike(target, one);
    await delay(lasts);
    await heal();
    figures.fault(fault.kind);
    if (!(await reviveAndRepair(round, id, stopWriting))) return;
  }
  await delay(Math.max(0, due + every - performance.now()));
}

/**
 * Starts databases again that hang. SecantusDB carries a rename out in many commits: killed in the midst of
 * one it has lost the documents, and no event tells of that. As after any loss of a source, a repair is
 * asked for.
 * @returns false once nothing is written any more: the source rested while a cutover was under way
 */
async function reviveAndRepair(
  { target: { pair }, figures }: Round,
  id: string,
  stopWriting: () => Promise<void>,
): Promise<boolean> {
  const hung = await findHung(pair);
  const isSource = hung.includes('source');
  const rests = isSource && (await isCuttingOver(pair, id));
  if (rests) await stopWriting();
  await revive(pair, figures, hung);
  if (isSource) await ask(pair, id, 'repair');
  return !rests;
}

const isOver = ({ status, cutover }: LiveMigrationDetail): boolean =>
  status === 'COMPLETE' || !cutover.underWay;

async function isCuttingOver(pair: LinkedPair, id: string): Promise<boolean> {
  return !isOver(await pair.until(id, 'answered', () => true, CATCH_UP_MS));
}

/** All that the source holds is at the destination, as far as the migration says. */
async function drained(pair: LinkedPair, id: string): Promise<void> {
  let since = 0;
  const isAtRest = ({ readyForCutover, progress }: LiveMigrationDetail): boolean => {
    const isQuiet = readyForCutover && progress?.keysPending === 0 && progress.waitingFor === null;
    if (!isQuiet) since = 0;
    else if (since === 0) since = performance.now();
    // A report may be older than the last write: several in a row are not.
    return since > 0 && performance.now() - since > 3000;
  };
  await pair.until(id, 'at rest', isAtRest, CATCH_UP_MS);
}

/** Strikes once in the middle of it, and asks again where an attempt has failed. */
async function cutOver(round: Round, id: string): Promise<LiveMigrationDetail> {
  const { target, random, figures, say } = round;
  const { pair } = target;
  const order = random.fork('cutover');
  const possible = FAULTS.filter((fault) => fault.isPossible?.(target) !== false);
  const reasons: string[] = [];
  for (let attempt = 0; attempt < CUTOVER_ATTEMPTS; attempt += 1) {
    await pair.askForCutover(id);
    const one = order.fork(attempt);
    if (round.faults > 0 && attempt < 2) {
      const fault = one.weighted(possible);
      await delay(one.between(0, 1500));
      say(`in the cutover: ${fault.kind}`);
      const heal = await fault.strike(target, one);
      await delay(Math.min(lasting(one), 5000));
      await heal();
      figures.fault(fault.kind);
      await reviveAndRepair(round, id, async () => undefined);
    }
    const after = await pair.until(id, 'the end of the cutover', isOver, CATCH_UP_MS);
    if (after.status === 'COMPLETE') return after;
    say(`the cutover failed: ${after.cutover.failure ?? ''}`);
    reasons.push(after.cutover.failure ?? '');
    figures.control('cutover failed, and asked for again');
  }
  throw new Error(`no cutover succeeded: ${reasons.join('; ')}`);
}

function note(
  { figures, seed }: Round,
  when: string,
  differences: readonly string[],
  contradictions: readonly string[],
): void {
  const where = (one: string): string => `${when}, seed ${seed}: ${one}`;
  figures.differences.push(...differences.map(where));
  figures.contradictions.push(...contradictions.map(where));
}

function compare(
  { source, destination }: LinkedPair,
  namespaces: Namespaces | null,
): Promise<Comparison> {
  return compareClusters(source.uri, destination.uri, namespaces);
}

/**
 * Before a cutover the destination has no unique indexes, and TTL does nothing yet; and an empty
 * collection may have come without any event (rule D5).
 */
function documentsOnly({ differences }: Comparison): string[] {
  return differences.filter(
    (difference) => !/ (?:index|options)\b|, with 0 documents$/.test(difference),
  );
}

async function clear(pair: LinkedPair): Promise<void> {
  const client = pair.source.client();
  const { databases } = await client.db('admin').admin().listDatabases({ nameOnly: true });
  for (const { name } of databases) {
    if (!['admin', 'config', 'local'].includes(name)) await client.db(name).dropDatabase();
  }
}

async function oplogEntries(pair: LinkedPair): Promise<number> {
  const oplog = pair.source.client().db('local').collection('oplog.rs');
  return oplog.countDocuments({ op: { $ne: 'n' } });
}
