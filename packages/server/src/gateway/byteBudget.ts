/** Bytes that are set aside; giving them back twice does no harm. */
export interface ByteLease extends Disposable {
  /** Gives back all but that many bytes. */
  shrink(bytes: number): void;
}

/** Who asks for bytes. */
export interface Asker {
  /** Those of one name share one share of a budget; those without a name are one, too. */
  readonly name?: string;
  /** Aborts once nobody waits for the bytes any more: then the place in the queue is given up. */
  readonly signal?: AbortSignal;
}

/** What bytes are asked of. */
export interface Budget {
  /**
   * @throws {RangeError} for more than will ever be free
   * @throws the signal's reason
   */
  acquire(bytes: number, asker?: Asker): Promise<ByteLease>;
}

interface Waiter {
  readonly bytes: number;
  readonly name: string;
  readonly start: () => void;
}

/**
 * A budget of bytes that all requests of a node share (invariant I6). Who finds it used up waits in
 * order, which is felt by the sender as backpressure; nobody is refused. Who waits because the own share
 * is used up keeps nobody else waiting.
 */
export class ByteBudget implements Budget {
  readonly #share: number;
  #free: number;
  readonly #held = new Map<string, number>();
  readonly #waiting = new Set<Waiter>();

  /**
   * @param total bytes
   * @param share what one asker has of them at most; at least the largest single lease
   */
  constructor(total: number, share = total) {
    this.#share = share;
    this.#free = total;
  }

  async acquire(bytes: number, { name = '', signal }: Asker = {}): Promise<ByteLease> {
    if (bytes > this.#share) {
      throw new RangeError(`${bytes} bytes are more than one may have, which is ${this.#share}`);
    }
    signal?.throwIfAborted();
    const turn = Promise.withResolvers<void>();
    const waiter = { bytes, name, start: turn.resolve };
    this.#waiting.add(waiter);
    this.#startWaiting();
    if (this.#waiting.has(waiter)) {
      const leave = (): void => {
        if (!this.#waiting.delete(waiter)) return;
        turn.reject(signal?.reason);
        this.#startWaiting();
      };
      signal?.addEventListener('abort', leave);
      await turn.promise.finally(() => signal?.removeEventListener('abort', leave));
    }
    let held = bytes;
    const shrink = (to: number): void => {
      if (to >= held) return;
      this.#take(name, to - held);
      held = to;
      this.#startWaiting();
    };
    return { shrink, [Symbol.dispose]: () => shrink(0) };
  }

  #startWaiting(): void {
    const full = new Set<string>();
    for (const waiter of this.#waiting) {
      const { bytes, name } = waiter;
      if ((this.#held.get(name) ?? 0) + bytes > this.#share) full.add(name);
      // Whoever has one name waits in order, too.
      if (full.has(name)) continue;
      if (bytes > this.#free) return;
      this.#waiting.delete(waiter);
      this.#take(name, bytes);
      waiter.start();
    }
  }

  #take(name: string, bytes: number): void {
    this.#free -= bytes;
    const held = (this.#held.get(name) ?? 0) + bytes;
    if (held === 0) this.#held.delete(name);
    else this.#held.set(name, held);
  }
}

/** What has at most so many bytes is small. */
const SMALL_BYTES = 64 * 1024;
/** What small things have together at a node, and one asker of it: many of them, however large the rest is. */
const SMALL_TOTAL = 8 * 1024 * 1024;
const SMALL_SHARE = SMALL_TOTAL / 2;

/** A budget in which what is small does not wait behind what is large: it has room of its own. */
export class SizedBudget implements Budget {
  readonly #small = new ByteBudget(SMALL_TOTAL, SMALL_SHARE);
  readonly #large: ByteBudget;

  constructor(large: ByteBudget) {
    this.#large = large;
  }

  acquire(bytes: number, asker?: Asker): Promise<ByteLease> {
    return (bytes <= SMALL_BYTES ? this.#small : this.#large).acquire(bytes, asker);
  }
}
