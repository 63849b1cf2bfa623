/**
 * Pushes of a collection share it; a drop or rename has it alone, and waits until nothing of it is
 * in flight (rule D16). Once someone waits to have it alone, no new push begins.
 */
export class IncarnationLocks {
  readonly #locks = new Map<number, Lock>();

  async shared<T>(incarnation: number, work: () => Promise<T>): Promise<T> {
    const lock = this.#lock(incarnation);
    while (lock.exclusive !== null) await lock.exclusive;
    lock.shared += 1;
    try {
      return await work();
    } finally {
      lock.shared -= 1;
      if (lock.shared === 0) lock.idle?.();
    }
  }

  async exclusive<T>(incarnation: number, work: () => Promise<T>): Promise<T> {
    const lock = this.#lock(incarnation);
    while (lock.exclusive !== null) await lock.exclusive;
    const { promise, resolve } = Promise.withResolvers<void>();
    lock.exclusive = promise;
    try {
      if (lock.shared > 0) {
        const { promise: idle, resolve: becameIdle } = Promise.withResolvers<void>();
        lock.idle = becameIdle;
        await idle;
        lock.idle = null;
      }
      return await work();
    } finally {
      lock.exclusive = null;
      resolve();
    }
  }

  #lock(incarnation: number): Lock {
    let lock = this.#locks.get(incarnation);
    if (lock === undefined) {
      lock = { shared: 0, exclusive: null, idle: null };
      this.#locks.set(incarnation, lock);
    }
    return lock;
  }
}

interface Lock {
  shared: number;
  exclusive: Promise<void> | null;
  idle: (() => void) | null;
}
