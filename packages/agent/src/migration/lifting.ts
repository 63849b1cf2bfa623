import { WriteBlockRefusedError } from '../source/writeBlock.ts';
import { isSourceFault, type MigrationContext, pauseAfter } from './context.ts';
import { Notifier } from './notifier.ts';
import type { WriteBlock } from './writeBlock.ts';

const NOTHING_MS = 60_000;

export const LIFTING = 'lifting the write block at the source';

/**
 * Lifts the write block that no cutover of this run holds: one that an earlier run has set (the server gives
 * this work still, and its session has fenced what that run told of its end), or that the source did not let a
 * failed cutover lift in time. Goes on beside everything else until it is lifted, whatever the server does.
 */
export class Lifting {
  readonly #context: Pick<MigrationContext, 'signal' | 'waiting' | 'log' | 'options'>;
  readonly #writeBlock: WriteBlock;
  readonly #wake = new Notifier();
  #isHeld = false;
  #attempt: Promise<unknown> = Promise.resolve();

  constructor(
    context: Pick<MigrationContext, 'signal' | 'waiting' | 'log' | 'options'>,
    writeBlock: WriteBlock,
  ) {
    this.#context = context;
    this.#writeBlock = writeBlock;
  }

  /** For a cutover: comes back once no lifting is under way any more that could come in between. */
  async hold(): Promise<void> {
    this.#isHeld = true;
    await this.#attempt;
    this.#context.waiting.clear(LIFTING);
  }

  /** The cutover has failed: what it has left is lifted from here on. */
  release(): void {
    this.#isHeld = false;
    this.#wake.notify();
  }

  /** Runs until the signal aborts. */
  async run(): Promise<never> {
    for (;;) {
      const { version } = this.#wake;
      const attempt = this.#isHeld ? Promise.resolve(NOTHING_MS) : this.#lift();
      this.#attempt = attempt.catch(() => undefined);
      await this.#wake.wait(version, await attempt, this.#context.signal);
    }
  }

  /** @returns milliseconds until it is to be tried again */
  async #lift(): Promise<number> {
    const { waiting, log, options } = this.#context;
    try {
      await this.#writeBlock.lift();
      waiting.clear(LIFTING);
      return NOTHING_MS;
    } catch (error) {
      const { message } = error as Error;
      if (error instanceof WriteBlockRefusedError) {
        waiting.clear(LIFTING);
        log.error({ reason: message }, 'the write block at the source is not lifted');
        // Somebody may grant meanwhile what is refused.
        return options.liftAgainMs;
      }
      if (!isSourceFault(error)) throw error;
      log.warn({ what: LIFTING, reason: message }, 'trying again');
      return pauseAfter(waiting.set(LIFTING, `${LIFTING}: ${message}`));
    }
  }
}
