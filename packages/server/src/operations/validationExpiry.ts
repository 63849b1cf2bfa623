import { setTimeout as delay } from 'node:timers/promises';
import { timestamp } from '../domain/time.ts';
import * as events from '../store/events.ts';
import * as projects from '../store/projects.ts';
import * as validations from '../store/validations.ts';
import type { OperationContext } from './context.ts';

/** How long a migration host may take, in milliseconds; it looks at statistics, not at data. */
const LONGEST_MS = 10 * 60_000;
const PERIOD_MS = 30_000;

const REASON = 'The migration host did not answer within 10 minutes. Look at the log of its agent.';

/**
 * Ends validations whose migration host never answers, so that none is PENDING for ever and no
 * password is kept for one.
 */
export class ValidationExpiry {
  readonly #context: OperationContext;
  readonly #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();

  constructor(context: OperationContext) {
    this.#context = context;
  }

  start(): void {
    this.#running = this.#run();
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  /** Ends those that have waited too long at this moment. */
  async expire(now: Date = new Date()): Promise<void> {
    const { store, work } = this.#context;
    const before = timestamp(new Date(now.getTime() - LONGEST_MS));
    const links = await store.transaction(async (tx) => {
      const touched = new Set<string>();
      for (const { id, project_id, link_id } of await validations.listPendingSince(tx, before)) {
        const at = timestamp(now);
        const result = { status: 'FAILED', findings: '[]', errorMessage: REASON, at } as const;
        await validations.settle(tx, id, result);
        const project = await projects.find(tx, project_id);
        await events.record(tx, {
          type: 'CLUSTER_IMPORT_VALIDATION_FAIL',
          orgId: project?.org_id ?? '',
          projectId: project_id,
          actor: null,
          targetId: id,
          detail: { reason: REASON },
        });
        if (link_id !== null) touched.add(link_id);
      }
      return touched;
    });
    for (const linkId of links) work.changed(linkId);
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        await this.expire();
      } catch (error) {
        this.#context.log.error({ err: error }, 'validations cannot be ended yet');
      }
      await delay(PERIOD_MS, undefined, { signal }).catch(() => {});
    }
  }
}
