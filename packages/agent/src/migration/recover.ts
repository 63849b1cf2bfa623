import { setTimeout as sleep } from 'node:timers/promises';
import { namespaceKey } from '@linkspan/contract/push/namespaces.ts';
import type { Incarnation } from '../journal/incarnations.ts';
import { PushRefusedError } from '../push/errors.ts';
import { type MigrationContext, isSourceFault, pauseAfter, persist } from './context.ts';

/** What the destination refuses takes a reconciliation at least before it may go through. */
const REFUSED_PAUSE_MS = 500;

/**
 * After work on a collection broke off: shows why, and comes back when it is worth another attempt.
 * A cursor is lost with its source, which is waited for. What the destination refused may be a matter
 * of structure, which is reconciled at once (rule D16).
 * @param what the work, as in "copying db.coll"; to be cleared from what is waited for on success
 * @throws the error, if another attempt cannot help
 */
export async function recover(
  context: MigrationContext,
  incarnation: Incarnation,
  what: string,
  error: unknown,
): Promise<void> {
  const { journal, lives, work, waiting, log, signal, source } = context;
  const isRefused = error instanceof PushRefusedError;
  if (!isRefused && !isSourceFault(error)) throw error;
  signal.throwIfAborted();
  const { id } = incarnation;
  const isOver = (): boolean => !isCalledSo(context, incarnation);
  const times = waiting.set(what, `${what}: ${error.message}`, isOver);
  log.warn({ what, reason: error.message }, 'broke off: going on from what was acknowledged');
  if (isRefused) {
    journal.incarnations.update(id, { toReconcile: true });
    lives.structureChanged(id);
    work.notify();
  }
  const least = isRefused ? REFUSED_PAUSE_MS : 0;
  await sleep(Math.max(least, pauseAfter(times)), undefined, { signal });
  if (!isRefused) {
    await persist(context, 'reaching the source', () => source.run('admin', { ping: 1 }));
  }
}

/**
 * True while the collection has the name that it had: what is said of it by that name is over once it was
 * dropped or renamed.
 */
export function isCalledSo(
  { journal }: Pick<MigrationContext, 'journal'>,
  { id, source }: Incarnation,
): boolean {
  const current = journal.incarnations.get(id);
  return (
    current !== undefined &&
    current.state !== 'ENDED' &&
    namespaceKey(current.source) === namespaceKey(source)
  );
}
