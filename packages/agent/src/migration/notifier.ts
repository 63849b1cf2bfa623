/** Wakes those who wait for something to do. A wake-up between two waits is not lost. */
export class Notifier {
  #version = 0;
  #waiters = new Set<() => void>();

  /** Wakes everyone. */
  notify(): void {
    this.#version += 1;
    for (const wake of this.#waiters) wake();
    this.#waiters.clear();
  }

  /** Read before looking for work, and given to {@link wait} if there was none. */
  get version(): number {
    return this.#version;
  }

  /** Resolves at the first wake-up after `version` was read, or after `timeoutMs` milliseconds. */
  async wait(version: number, timeoutMs: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (version !== this.#version) return;
    await new Promise<void>((resolve, reject) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#waiters.delete(wake);
        signal.removeEventListener('abort', abort);
      };
      const wake = (): void => {
        done();
        resolve();
      };
      const abort = (): void => {
        done();
        reject(signal.reason as Error);
      };
      const timer = setTimeout(wake, timeoutMs);
      this.#waiters.add(wake);
      signal.addEventListener('abort', abort, { once: true });
    });
  }
}
