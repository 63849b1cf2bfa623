/**
 * Pushes of a collection share it; a drop or rename has it alone, and waits until nothing of it is
 * in flight (rule D16). Once someone waits to have it alone, no new push begins.
 * A lock is kept while someone has it or waits for it (invariant I6).
 */
export class IncarnationLocks {
  readonly #locks = new Map<number, Lock>();

  async shared<T>(incarnation: number, work: () => Promise<T>): Promise<T> {
    using lock = this.#use(incarnation);
    while (lock.exclusive !== null) await lock.exclusive;
    lock.shared += 1;
    try {
      return await work();
    } finally {
      lock.shared -= 1;
      if (lock.shared === 0) lock.idle?.();
    }
  }

  /** {@link shared} of several at once. */
  async sharedAll<T>(incarnations: readonly number[], work: () => Promise<T>): Promise<T> {
    const inAll = incarnations.reduce(
      (inner: () => Promise<T>, incarnation) => () => this.shared(incarnation, inner),
      work,
    );
    return inAll();
  }

  async exclusive<T>(incarnation: number, work: () => Promise<T>): Promise<T> {
    using lock = this.#use(incarnation);
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

  /** How many are kept. */
  get size(): number {
    return this.#locks.size;
  }

  #use(incarnation: number): Lock {
    const lock = this.#locks.get(incarnation) ?? new Lock(() => this.#locks.delete(incarnation));
    this.#locks.set(incarnation, lock);
    lock.users += 1;
    return lock;
  }
}

class Lock implements Disposable {
  readonly #onUnused: () => void;
  /** Those who have it and those who wait for it. */
  users = 0;
  shared = 0;
  exclusive: Promise<void> | null = null;
  idle: (() => void) | null = null;

  constructor(onUnused: () => void) {
    this.#onUnused = onUnused;
  }

  /** One user is done with it. */
  [Symbol.dispose](): void {
    this.users -= 1;
    if (this.users === 0) this.#onUnused();
  }
}
