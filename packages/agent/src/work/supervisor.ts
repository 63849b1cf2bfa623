import { setTimeout as delay } from 'node:timers/promises';

import type {
  CopyWork,
  MigrationWork,
  Throttle,
  ValidationWork,
  WorkItem,
} from '@linkspan/contract/push/work.ts';
import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';

import { Backoff } from '../push/backoff.ts';
import {
  LinkRefusedError,
  MigrationEndedError,
  MigrationPausedError,
  SessionFencedError,
} from '../push/errors.ts';
import { Interruption, TakenOverError } from './interruption.ts';

/** What a running migration is told while it runs. */
export interface MigrationRun {
  readonly work: MigrationWork;
  /** The number of the cutover attempt that is wanted now, or 0. */
  cutoverAttempt(): number;
  /** True once a newer push session of another process has stopped it. */
  wasFenced(): boolean;
  /** What it may push in a second now; null: as much as it can. */
  throttle(): Throttle | null;
  /** Numbers of the last verification and repair that were asked for; 0 if none. */
  verification(): { readonly verify: number; readonly repair: number };
  /** Calls the listener whenever the wanted work of this migration changed. */
  onWork(listener: () => void): () => void;
  /** Why the run before was interrupted, while that is worth telling: see {@link Interruption}. */
  interrupted(): string | null;
}

/** What is told to whoever follows a paused migration. */
export type PausedRun = Pick<MigrationRun, 'work' | 'interrupted'>;

/** What the copy of ranges for another host is told while it runs. */
export interface CopyRun extends Pick<MigrationRun, 'throttle' | 'onWork'> {
  readonly work: CopyWork;
}

export interface SupervisorOptions {
  /** Comes back when the migration has ended, and rejects where it should be started again. */
  readonly migrate: (run: MigrationRun, signal: AbortSignal) => Promise<void>;
  /** Follows the changes of a paused migration until the signal aborts; rejects as `migrate` does. */
  readonly track: (run: PausedRun, signal: AbortSignal) => Promise<void>;
  /** Copies ranges of another host's migration until the signal aborts; rejects as `migrate` does. */
  readonly copy: (run: CopyRun, signal: AbortSignal) => Promise<void>;
  /** Comes back when the server has the report. */
  readonly validate: (work: ValidationWork, signal: AbortSignal) => Promise<void>;
  /** Tells the server why `migrate` or `track` has rejected, before it is started again; never rejects. */
  readonly tellInterrupted: (
    work: MigrationWork,
    reason: string,
    signal: AbortSignal,
  ) => Promise<void>;
  readonly log: Logger;
  /** How long a runner that was fenced waits at least before it looks again, in milliseconds. */
  readonly fencedPauseMs?: number;
  /** The link was refused to one piece of work, so all of it has to stop. */
  readonly onRefused: (error: LinkRefusedError) => void;
}

/** Longer than the server takes a session that does not report for one in use. */
const FENCED_PAUSE_MS = 30_000;

/** Who is told why the runs of a migration were interrupted: the next run, and the server. */
interface Told {
  readonly interruption: Interruption;
  readonly tell: (reason: string) => Promise<void>;
}

interface Task {
  readonly paused: boolean;
  /** How often the migration had been given to another host. */
  readonly hostChanges: number;
  readonly stop: AbortController;
  readonly done: Promise<void>;
  update(item: WorkItem): void;
}

/**
 * Makes what runs equal to the list of wanted work: starts what is new, stops what is gone, tells the
 * rest. There is never more than one runner of a migration: one that was stopped has ended before it
 * is started again; a pause is the end of one and the start of another. What has ended is not started
 * again while it stays in the list.
 */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #tasks = new Map<string, Task>();
  #wanted: ReadonlyMap<string, WorkItem> = new Map();
  #stopped = false;

  constructor(options: SupervisorOptions) {
    this.#options = options;
  }

  apply(work: readonly WorkItem[]): void {
    if (this.#stopped) return;
    this.#wanted = new Map(work.map((item) => [`${item.kind} ${item.id}`, item]));
    const unwanted = new MigrationEndedError('the server no longer wants this work');
    for (const [key, task] of this.#tasks) {
      if (!this.#wanted.has(key)) this.#end(key, task, unwanted);
    }
    for (const [key, item] of this.#wanted) {
      const task = this.#tasks.get(key);
      if (task === undefined) this.#tasks.set(key, this.#start(item));
      else if (isSameRun(task, item)) task.update(item);
      else
        this.#end(
          key,
          task,
          new MigrationPausedError('the live migration is paused, goes on or was given back'),
        );
    }
  }

  /** Stops everything and starts nothing any more; settles when all has ended. */
  async stop(reason: Error): Promise<void> {
    this.#stopped = true;
    for (const { stop } of this.#tasks.values()) stop.abort(reason);
    await Promise.all([...this.#tasks.values()].map(({ done }) => done));
  }

  #end(key: string, task: Task, reason: Error): void {
    if (task.stop.signal.aborted) return;
    task.stop.abort(reason);
    void task.done.then(() => {
      this.#tasks.delete(key);
      const again = this.#wanted.get(key);
      if (again !== undefined && !this.#stopped) this.#tasks.set(key, this.#start(again));
    });
  }

  #start(item: WorkItem): Task {
    const stop = new AbortController();
    const log = this.#options.log.child({ [item.kind]: item.id });
    if (item.kind === 'validation') {
      const { validate } = this.#options;
      const done = this.#persist(() => validate(item, stop.signal), log, stop.signal);
      return { paused: false, hostChanges: 0, stop, done, update: () => undefined };
    }
    if (item.kind === 'copy') return this.#startCopy(item, stop, log);
    const { hostChanges = 0 } = item;
    const interruption = new Interruption();
    const interrupted = (): string | null => interruption.reason;
    const tell = (reason: string): Promise<void> =>
      this.#options.tellInterrupted(item, reason, stop.signal);
    if (isPaused(item)) {
      const { track } = this.#options;
      log.info({}, 'live migration paused: its changes are followed, nothing is pushed');
      const attempt = (): Promise<void> => track({ work: item, interrupted }, stop.signal);
      const done = this.#persist(attempt, log, stop.signal, { interruption, tell });
      return { paused: true, hostChanges, stop, done, update: () => undefined };
    }
    let current = item;
    let wasFenced = false;
    const listeners = new Set<() => void>();
    const run: MigrationRun = {
      work: item,
      cutoverAttempt: () => current.cutoverAttempt,
      wasFenced: () => wasFenced,
      throttle: () => current.throttle ?? null,
      verification: () => ({
        verify: current.verifyAttempt ?? 0,
        repair: current.repairAttempt ?? 0,
      }),
      onWork(listener) {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
      interrupted,
    };
    const { migrate, fencedPauseMs = FENCED_PAUSE_MS } = this.#options;
    const attempt = async (): Promise<void> => {
      try {
        await migrate(run, stop.signal);
      } catch (error) {
        if (!(error instanceof SessionFencedError) || stop.signal.aborted) throw error;
        wasFenced = true;
        log.error({ reason: error.message }, 'another process took over: looking again later');
        await delay(fencedPauseMs * (1 + Math.random()), undefined, { signal: stop.signal });
        throw new TakenOverError('it goes on here if that process has gone');
      }
    };
    // Told without a session, it would make this runner the one that the server takes for in use.
    const tellOfOwn = async (reason: string): Promise<void> => {
      if (!wasFenced) await tell(reason);
    };
    log.info({ source: item.source.clusterName }, 'live migration started');
    return {
      paused: false,
      hostChanges,
      stop,
      done: this.#persist(attempt, log, stop.signal, { interruption, tell: tellOfOwn }),
      update(changed) {
        if (changed.kind !== 'migration' || isDeepStrictEqual(changed, current)) return;
        current = changed;
        for (const listener of listeners) listener();
      },
    };
  }

  #startCopy(item: CopyWork, stop: AbortController, log: Logger): Task {
    let current = item;
    const listeners = new Set<() => void>();
    const run: CopyRun = {
      work: item,
      throttle: () => current.throttle ?? null,
      onWork(listener) {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    };
    log.info({ migration: item.migrationId }, 'copying ranges of a migration of another host');
    const { copy } = this.#options;
    return {
      paused: false,
      hostChanges: 0,
      stop,
      done: this.#persist(() => copy(run, stop.signal), log, stop.signal),
      update(changed) {
        if (changed.kind !== 'copy' || isDeepStrictEqual(changed, current)) return;
        current = changed;
        for (const listener of listeners) listener();
      },
    };
  }

  /** Never rejects. */
  async #persist(
    attempt: () => Promise<void>,
    log: Logger,
    signal: AbortSignal,
    told: Told | null = null,
  ): Promise<void> {
    const backoff = new Backoff();
    while (!signal.aborted) {
      told?.interruption.began();
      try {
        await attempt();
        if (!signal.aborted) log.info('work ended');
        return;
      } catch (error) {
        if (signal.aborted) return;
        const reason = (error as Error).message;
        if (error instanceof LinkRefusedError) {
          this.#options.onRefused(error);
          return;
        }
        if (error instanceof MigrationEndedError) {
          log.info({ reason }, 'the server has ended this work');
          return;
        }
        // The list of work says so too, soon; or it goes on already, and no list ever did.
        if (error instanceof MigrationPausedError) log.info({ reason }, 'told to pause');
        else log.error({ reason }, 'work was interrupted and is started again');
        const interrupted = told?.interruption.ended(error) ?? null;
        if (interrupted !== null) await told?.tell(interrupted);
        await backoff.pause(signal).catch(() => undefined);
      }
    }
  }
}

function isPaused(item: WorkItem): boolean {
  return item.kind === 'migration' && item.paused === true;
}

/** Another host may have had it in between, without any list of work that showed it. */
function isSameRun(task: Pick<Task, 'paused' | 'hostChanges'>, item: WorkItem): boolean {
  const hostChanges = item.kind === 'migration' ? (item.hostChanges ?? 0) : 0;
  return task.paused === isPaused(item) && task.hostChanges === hostChanges;
}
