import type { MigrationContext } from './context.ts';

/**
 * To compare a key by itself costs so many times what it costs to pass it on a walk. Fewer keys than this
 * part of a collection are not worth walking all of it again, however many they are.
 */
const KEY_COST = 4;

/** Between two walks of one collection lies so many times the length of the first. */
const PAUSE_TIMES = 5;

/**
 * Ends what a collection that never stands still would make endless. Keys that are pushed are compared by
 * themselves; where they come faster than that, all of the collection is walked again instead, and the
 * journal does not grow with the changes of months (invariant I6). Walks have pauses, in which no key is
 * noted, so that they take a sixth of the time at most. A cutover waits for no pause: it needs one walk
 * more at most, since nothing is pushed any more then.
 */
export class Rewalks {
  readonly #context: Pick<MigrationContext, 'journal' | 'options' | 'log' | 'work'>;
  readonly #now: () => number;
  readonly #walks = new Map<number, { begun: number; pauseUntil: number }>();
  #countedAt = -Infinity;

  /** @param now milliseconds of a clock that only goes forward */
  constructor(
    context: Pick<MigrationContext, 'journal' | 'options' | 'log' | 'work'>,
    now = () => performance.now(),
  ) {
    this.#context = context;
    this.#now = now;
  }

  /** A walk has begun at the first document. */
  begun(id: number): void {
    this.#walks.set(id, { begun: this.#now(), pauseUntil: 0 });
  }

  /** The same has come to the last one. After a restart of the agent its beginning is not known. */
  ended(id: number): void {
    const walk = this.#walks.get(id);
    if (walk === undefined) return;
    const now = this.#now();
    walk.pauseUntil = now + (now - walk.begun) * PAUSE_TIMES;
  }

  /** Looks, from time to time, for collections that have too many keys, and whose pause is over. */
  limit(isHurried: boolean): void {
    const { journal, options, log, work } = this.#context;
    const { verifications, keysToVerify, incarnations } = journal;
    const now = this.#now();
    if (now - this.#countedAt < options.countKeysMs) return;
    this.#countedAt = now;
    const isPaused = (id: number): boolean =>
      !isHurried && now < (this.#walks.get(id)?.pauseUntil ?? 0);
    for (const id of verifications.resting()) {
      if (isPaused(id)) continue;
      verifications.wake(id);
      work.notify();
    }
    for (const { id, keys } of keysToVerify.incarnationsWithMore(options.pushedKeysAtMost)) {
      const { done = false, documents = 0 } = verifications.of(id) ?? {};
      // All of a capped one is compared at once, and only when nothing changes any more.
      const isCapped = (incarnations.get(id)?.capped ?? null) !== null;
      if (!isCapped && (!done || keys * KEY_COST <= documents)) continue;
      // What this walk was for comes to its end first: a repair, or the first verification of all.
      if (!isCapped && keysToVerify.hasUndecided(id)) continue;
      const when = isPaused(id) ? 'later' : 'now';
      journal.transaction(() => verifications.restart(id, when));
      log.info({ collection: id, keys, when }, 'changes come faster than they are compared by key');
    }
    for (const id of this.#walks.keys()) {
      if (incarnations.get(id) === undefined) this.#walks.delete(id);
    }
  }

  /** For a cutover: nothing waits for the end of a pause. */
  wakeAll(): void {
    const { verifications } = this.#context.journal;
    for (const id of verifications.resting()) verifications.wake(id);
  }
}
