import { setTimeout as delay } from 'node:timers/promises';

import type { MigrationWork } from '@linkspan/contract/push/messages.ts';
import type { Logger } from 'pino';

import type { ConfiguredProject } from '../config/config.ts';
import type { WriteBlockRecord, WriteBlockRecords } from '../journal/writeBlockRecords.ts';
import { WriteBlock } from '../migration/writeBlock.ts';
import { findDeployment } from './sourceUri.ts';

/** What became of a live migration, as far as its write block depends on it. */
export type Outcome = 'COMPLETE' | 'NOT_COMPLETE' | 'UNKNOWN';

export interface WriteBlocksOptions {
  readonly records: WriteBlockRecords;
  readonly projects: readonly ConfiguredProject[];
  /** Asks the server; never rejects. A link that is no more makes it NOT_COMPLETE. */
  readonly outcomeOf: (migrationId: string, signal: AbortSignal) => Promise<Outcome>;
  readonly log: Logger;
  readonly periodMs?: number;
}

/** A live migration that runs now: its write block is its own business until this is disposed of. */
export interface Claim extends Disposable {
  /** null where the migration does not ask for one. */
  readonly writeBlock: WriteBlock | null;
}

const PERIOD_MS = 5000;

/**
 * Lifts the write blocks that no cutover of this process holds (rule D23), whatever has ended it: a
 * failure, a pause, a cancellation, a link that is refused, a crash. It needs no link and goes on until
 * each is lifted. One of which the server may have taken COMPLETE waits for what the server says.
 */
export class WriteBlocks {
  readonly #options: WriteBlocksOptions;
  readonly #claimed = new Set<string>();
  #pass: Promise<void> = Promise.resolve();
  #woken = Promise.withResolvers<void>();

  constructor(options: WriteBlocksOptions) {
    this.#options = options;
  }

  async claim(work: MigrationWork): Promise<Claim> {
    this.#claimed.add(work.id);
    // What is being lifted for it now must not come in between later.
    await this.#pass;
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

  /** Tries each once; never rejects. */
  lift(signal: AbortSignal): Promise<void> {
    this.#pass = this.#pass.then(() => this.#liftUnclaimed(signal));
    return this.#pass;
  }

  async #liftUnclaimed(signal: AbortSignal): Promise<void> {
    const { records, log } = this.#options;
    let found: WriteBlockRecord[] = [];
    try {
      found = records.list();
    } catch (error) {
      log.error({ reason: (error as Error).message }, 'write blocks cannot be looked at');
    }
    for (const record of found) {
      if (this.#claimed.has(record.migrationId) || record.state === 'KEPT') continue;
      try {
        await this.#settle(record, signal);
      } catch (error) {
        log.error(
          { migration: record.migrationId, reason: (error as Error).message },
          'the write block at the source is not lifted yet: linkspan agent unblock lifts it, too',
        );
      }
    }
  }

  async #settle(record: WriteBlockRecord, signal: AbortSignal): Promise<void> {
    const block = this.#writeBlock(record);
    if (record.state === 'COMPLETING') {
      const outcome = await this.#options.outcomeOf(record.migrationId, signal);
      if (outcome === 'UNKNOWN') return;
      if (outcome === 'COMPLETE') {
        block.keep();
        return;
      }
    }
    await block.lift();
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
