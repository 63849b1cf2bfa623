import { formatNamespace } from '@linkspan/contract/push/namespaces.ts';
import type { MigrationContext } from './context.ts';
import { recover } from './recover.ts';
import { verifyCollection } from './verifier.ts';

const IDLE_MS = 1000;

/**
 * Repairs collections whose changes were missed, because the source had lost the history after the
 * resume token (rules D1, D11): everything is compared, and what differs is pushed.
 */
export class Repairer {
  readonly #context: MigrationContext;

  constructor(context: MigrationContext) {
    this.#context = context;
  }

  /** Collections that are still to be compared. */
  get remaining(): number {
    return this.#context.journal.pending.countToRepair();
  }

  /** Runs until the signal aborts. */
  async run(): Promise<never> {
    const { journal, work, signal, log, lives, waiting } = this.#context;
    for (;;) {
      const { version } = work;
      const next = journal.pending.toRepair();
      if (next === undefined) {
        await work.wait(version, IDLE_MS, signal);
        continue;
      }
      const names = lives.nameChanges(next.id);
      const what = `repairing ${formatNamespace(next.source)}`;
      const verified = await verifyCollection(this.#context, next.id).catch((error: unknown) =>
        recover(this.#context, next.id, what, error),
      );
      if (verified === undefined) continue;
      waiting.clear(what);
      if (verified === null || lives.nameChanges(next.id) !== names) continue;
      journal.incarnations.update(next.id, { toRepair: false });
      log.info({ namespace: formatNamespace(next.source), ...verified }, 'collection repaired');
      work.notify();
    }
  }
}
