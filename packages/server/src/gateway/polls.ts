/** Polls of one host that wait at once: it has one, and another while it has lost a connection. */
const MOST = 4;

/**
 * The long polls that wait. Each looks into the store every second, so one host may not have any number
 * of them: beyond the most, the oldest is answered at once.
 */
export class Polls {
  readonly #waiting = new Map<string, Set<AbortController>>();

  /** @returns a signal that aborts when the poll has to end; dispose of it with the answer */
  enter(hostId: string): Disposable & { readonly signal: AbortSignal } {
    const own = this.#waiting.get(hostId) ?? new Set();
    const poll = new AbortController();
    this.#waiting.set(hostId, own.add(poll));
    const [oldest] = own;
    if (own.size > MOST && oldest !== undefined) {
      own.delete(oldest);
      oldest.abort();
    }
    return {
      signal: poll.signal,
      [Symbol.dispose]: () => {
        own.delete(poll);
        if (own.size === 0 && this.#waiting.get(hostId) === own) this.#waiting.delete(hostId);
      },
    };
  }
}
