import { JournalUnusableError } from '../journal/errors.ts';
import { GivenBackError, MigrationPausedError } from '../push/errors.ts';
import { redact } from '../redact.ts';

/** What the same error may take longer to come again, as a multiple of the last run. */
const PAST = 2;
/** Long enough to be seen, though the run breaks off at once. */
const AT_LEAST_MS = 10_000;
/** A run of days that broke off once leaves the next one in peace soon. */
const AT_MOST_MS = 10 * 60_000;
/**
 * The server takes a process that tells it something for one that pushes, for some 20 seconds: one that cannot
 * would keep a copy of it out that can.
 */
const TELL_AGAIN_MS = 60_000;
/** Leaves room beside it for what the next run waits for. */
const MOST_OF_AN_ERROR = 300;

/** Another process pushes the migration: it is looked at again later. */
export class TakenOverError extends Error {
  override readonly name = 'TakenOverError';
}

/**
 * Why the last run of a migration was interrupted, for its status: the server is told of nothing else that
 * ends a run (invariant I8). It is worth telling until the next run has come past where the last one broke
 * off, which is taken to be so once that goes on twice as long, after 10 seconds at least and 10 minutes at most.
 */
export class Interruption {
  readonly #now: () => number;
  #reason: string | null = null;
  #began = 0;
  #toldForMs = 0;
  #serverToldAt = -Infinity;

  /** @param now milliseconds of a clock that does not jump */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** In words and without secrets; null where the last run was not interrupted, or this one is past that. */
  get reason(): string | null {
    return this.#now() - this.#began < this.#toldForMs ? this.#reason : null;
  }

  /** A run begins. */
  began(): void {
    this.#began = this.#now();
  }

  /**
   * The run has ended with that error.
   * @returns the reason that the server is to be told; null where the status says by itself how it stands, or
   *   it was told something a short while ago
   */
  ended(error: unknown): string | null {
    const now = this.#now();
    const lasted = now - this.#began;
    this.#toldForMs = Math.min(Math.max(PAST * lasted, AT_LEAST_MS), AT_MOST_MS);
    this.#reason = isTold(error)
      ? null
      : `it was interrupted and is begun again: ${textOf(error).slice(0, MOST_OF_AN_ERROR)}`;
    if (this.#reason === null || now - this.#serverToldAt < TELL_AGAIN_MS) return null;
    this.#serverToldAt = now;
    return this.#reason;
  }
}

/** A full disk was told of while it lasted; what the others mean is seen from what runs next. */
function isTold(error: unknown): boolean {
  return (
    error instanceof MigrationPausedError ||
    error instanceof TakenOverError ||
    error instanceof GivenBackError ||
    error instanceof JournalUnusableError
  );
}

function textOf(error: unknown): string {
  const { message } = error as Partial<Error>;
  return redact(message === undefined || message === '' ? String(error) : message);
}
