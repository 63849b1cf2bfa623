/** Wakes the long polls of a link's hosts. A hint only: they look by themselves every second too. */
export class Wakes {
  readonly #waiting = new Map<string, Set<() => void>>();

  changed(linkId: string): void {
    for (const wake of this.#waiting.get(linkId) ?? []) wake();
  }

  /**
   * Begins to listen at once, so that nothing is missed between a look and the wait.
   * @returns a wait for a wake since then, for the time, or for the signal; it never rejects
   */
  listen(linkId: string): Disposable & { wait(ms: number, signal: AbortSignal): Promise<void> } {
    let woken = false;
    let resume: (() => void) | null = null;
    const wake = (): void => {
      woken = true;
      resume?.();
    };
    const waiting = this.#waiting.get(linkId) ?? new Set();
    this.#waiting.set(linkId, waiting.add(wake));
    return {
      async wait(ms, signal) {
        if (woken || signal.aborted) return;
        let timer: NodeJS.Timeout | undefined;
        await new Promise<void>((resolve) => {
          resume = resolve;
          timer = setTimeout(resolve, ms);
          signal.addEventListener('abort', () => resolve(), { once: true });
        });
        clearTimeout(timer);
      },
      [Symbol.dispose]: () => {
        waiting.delete(wake);
        if (waiting.size === 0 && this.#waiting.get(linkId) === waiting) {
          this.#waiting.delete(linkId);
        }
      },
    };
  }
}
