import type { Journal } from '../journal/journal.ts';
import { GivenBackError } from '../push/errors.ts';
import type { OpenedSession, SessionRecord } from '../push/pusher.ts';
import type { EngineLog } from './context.ts';

/**
 * Ties the push sessions of a run to its journal. One that tells nothing of what the destination holds is
 * emptied before anything rests on it, and tracking begins anew (rules D1, D11): a journal that was begun on
 * another migration host's work, or on work of this one before it was given away; and an older copy of the
 * journal that structure was changed from last, as a backup or a snapshot puts it back.
 */
export class JournalOfSessions implements SessionRecord, Disposable {
  readonly #journal: Journal;
  readonly #log: EngineLog;
  #isFirst = true;
  #isOver = false;

  constructor(journal: Journal, log: EngineLog) {
    this.#journal = journal;
    this.#log = log;
  }

  /** @throws {GivenBackError} where this run has used the journal already: the next one begins anew */
  opened(session: OpenedSession): void {
    // Reports alone go out then.
    if (this.#isOver) return;
    const why = whyWorthless(this.#journal, session);
    if (why !== null) {
      if (!this.#isFirst) throw new GivenBackError();
      this.#journal.startAnew();
      this.#log.warn({}, `${why}: its journal here is begun anew`);
    }
    this.#journal.sent.enter(session.epoch);
    this.#isFirst = false;
  }

  nextStructure(): number {
    return this.#journal.sent.next();
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
  }
}

function whyWorthless(
  journal: Journal,
  { hostChanges, lastStructure }: OpenedSession,
): string | null {
  const begunAt = journal.state()?.hostChanges ?? null;
  if (begunAt === null) return null;
  if (begunAt !== hostChanges) return 'another migration host went on with this work';
  const sent = journal.sent.last();
  if (sent === null || lastStructure === undefined) return null;
  const isOlder =
    sent.epoch < lastStructure.epoch ||
    (sent.epoch === lastStructure.epoch && sent.number < lastStructure.number);
  return isOlder ? 'the destination was changed from a newer copy of this journal' : null;
}
