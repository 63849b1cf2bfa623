import { setTimeout as delay } from 'node:timers/promises';

import type { MigrationWork } from '@linkspan/contract/push/work.ts';
import type { Logger } from 'pino';

import type { ConfiguredProject } from '../config/config.ts';
import type { WriteBlockRecord, WriteBlockRecords } from '../journal/writeBlockRecords.ts';
import { WriteBlock } from '../migration/writeBlock.ts';
import type { Outcome } from './outcome.ts';
import { findDeployment } from './sourceUri.ts';

export interface WriteBlocksOptions {
  readonly records: WriteBlockRecords;
  readonly projects: readonly ConfiguredProject[];
  /** Asks the server; never rejects. A link that is no more makes it NOT_COMPLETE. */
  readonly outcomeOf: (record: WriteBlockRecord, signal: AbortSignal) => Promise<Outcome>;
  readonly log: Logger;
  readonly periodMs?: number;
  readonly patienceMs?: number;
}

/** A live migration that runs now: its write block is its own business until this is disposed of. */
export interface Claim extends Disposable {
  /** null where the migration does not ask for one. */
  readonly writeBlock: WriteBlock | null;
}

const PERIOD_MS = 5000;

/**
 * How long a block that an earlier process has left waits for the server to say that it is still this host's to
 * lift. The source must not stay blocked because the server is away.
 */
const PATIENCE_MS = 2 * 60_000;

/** For an answer that only keeps from lifting: an agent that stops has 5 seconds for all of it. */
const BRIEF_MS = 2000;

/**
 * Lifts the write blocks that no cutover of this process holds (rule D23), whatever has ended it: a
 * failure, a pause, a cancellation, a link that is refused, a crash. It goes on until each is lifted, and asks
 * the server before:
 *
 *     the server says         HELD                                              COMPLETING
 *     COMPLETE                is kept                                           is kept
 *     ELSEWHERE               is left to that host                              is left to that host
 *     NOT_COMPLETE            is lifted                                         is lifted
 *     nothing                 is lifted at once where this process has run      waits
 *                             the migration; else after two minutes
 *
 * Where there is no link any more, nobody is asked and each is lifted.
 */
export class WriteBlocks {
  readonly #options: WriteBlocksOptions;
  readonly #claimed = new Set<string>();
  /** Migrations that the server has given to this process: what it then says nothing of is this host's. */
  readonly #own = new Set<string>();
  /** Since when the server does not say whose a block is. */
  readonly #unanswered = new Map<string, number>();
  #pass: Promise<void> = Promise.resolve();
  #woken = Promise.withResolvers<void>();

  constructor(options: WriteBlocksOptions) {
    this.#options = options;
  }

  /** @param signal ends the wait for what an earlier run has left */
  async claim(work: MigrationWork, signal: AbortSignal): Promise<Claim> {
    this.#claimed.add(work.id);
    // What is being lifted for it now must not come in between later.
    await this.#pass;
    await this.#takeUp(work.id, signal);
    const { projectId, clusterName } = work.source;
    const of = { migrationId: work.id, projectId, clusterName };
    const writeBlock = work.blockSourceWrites === true ? this.#writeBlock(of) : null;
    if (work.writeBlockLeft === true) writeBlock?.adopt();
    return {
      writeBlock,
      [Symbol.dispose]: () => {
        this.#claimed.delete(work.id);
        this.#woken.resolve();
      },
    };
  }

  /** Goes on until the signal aborts; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { periodMs = PERIOD_MS } = this.#options;
    while (!signal.aborted) {
      this.#woken = Promise.withResolvers();
      const woken = this.#woken.promise;
      await this.lift(signal);
      const waited = new AbortController();
      const either = AbortSignal.any([signal, waited.signal]);
      await Promise.race([woken, delay(periodMs, undefined, { signal: either })]).catch(() => {});
      waited.abort();
    }
  }

  /** What is still to be lifted. */
  left(): readonly WriteBlockRecord[] {
    return this.#list().filter(({ state }) => state !== 'KEPT');
  }

  /** Tries until nothing is left, or the signal aborts; never rejects. */
  async liftAll(signal: AbortSignal): Promise<void> {
    const { periodMs = PERIOD_MS } = this.#options;
    for (;;) {
      await this.lift(signal);
      if (signal.aborted || this.left().length === 0) return;
      await delay(periodMs, undefined, { signal }).catch(() => {});
    }
  }

  /** Tries each once; never rejects. */
  lift(signal: AbortSignal): Promise<void> {
    this.#pass = this.#pass.then(() => this.#liftUnclaimed(signal));
    return this.#pass;
  }

  async #liftUnclaimed(signal: AbortSignal): Promise<void> {
    for (const record of this.#list()) {
      if (this.#claimed.has(record.migrationId) || record.state === 'KEPT') continue;
      await this.#trying(record, () => this.#settle(record, signal));
    }
  }

  #list(): readonly WriteBlockRecord[] {
    const { records, log } = this.#options;
    try {
      return records.list();
    } catch (error) {
      log.error({ reason: (error as Error).message }, 'write blocks cannot be looked at');
      return [];
    }
  }

  async #trying(record: WriteBlockRecord, task: () => Promise<void>): Promise<void> {
    try {
      await task();
    } catch (error) {
      this.#options.log.error(
        { migration: record.migrationId, reason: (error as Error).message },
        'the write block at the source is not lifted yet: linkspan agent unblock lifts it, too',
      );
    }
  }

  /**
   * Of a migration that the server gives to this host now: what an earlier run has left does not wait until the
   * push session is open, which takes as long as the destination is away.
   */
  async #takeUp(migrationId: string, signal: AbortSignal): Promise<void> {
    this.#own.add(migrationId);
    const record = this.#list().find((one) => one.migrationId === migrationId);
    if (record === undefined || record.state === 'KEPT') return;
    await this.#trying(record, async () => {
      if (record.state === 'HELD') await this.#writeBlock(record).lift();
      else await this.#settle(record, signal);
    });
  }

  async #settle(record: WriteBlockRecord, signal: AbortSignal): Promise<void> {
    const { migrationId } = record;
    const block = this.#writeBlock(record);
    const isBrief = record.state === 'HELD' && this.#own.has(migrationId);
    const brief = isBrief ? [AbortSignal.timeout(BRIEF_MS)] : [];
    const outcome = await this.#options.outcomeOf(record, AbortSignal.any([signal, ...brief]));
    if (outcome === 'UNKNOWN' && !this.#mayLiftUnasked(record)) return;
    this.#unanswered.delete(migrationId);
    if (outcome === 'COMPLETE') block.keep();
    else if (outcome === 'ELSEWHERE') block.leave();
    else await block.lift();
  }

  #mayLiftUnasked({ migrationId, state }: WriteBlockRecord): boolean {
    const { patienceMs = PATIENCE_MS, log } = this.#options;
    if (state !== 'HELD') return false;
    if (this.#own.has(migrationId)) return true;
    const now = performance.now();
    const since = this.#unanswered.get(migrationId);
    if (since !== undefined) return now - since >= patienceMs;
    this.#unanswered.set(migrationId, now);
    log.warn(
      { migration: migrationId, seconds: patienceMs / 1000 },
      'the write block at the source stays until the server says whose the live migration is, or so long: linkspan agent unblock lifts it at once',
    );
    return patienceMs <= 0;
  }

  #writeBlock(of: Pick<WriteBlockRecord, 'migrationId' | 'projectId' | 'clusterName'>): WriteBlock {
    const { records, projects, log } = this.#options;
    const deployment = findDeployment(projects, of);
    return new WriteBlock({
      records,
      of: { migrationId: of.migrationId, projectId: of.projectId, clusterName: of.clusterName },
      uri: deployment?.uri ?? null,
      isAllowed: deployment?.allowWriteBlock === true,
      log: log.child({ migration: of.migrationId }),
    });
  }
}
