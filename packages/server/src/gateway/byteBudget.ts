/** Bytes that are set aside; giving them back twice does no harm. */
export interface ByteLease extends Disposable {
  /** Gives back all but that many bytes. */
  shrink(bytes: number): void;
}

/**
 * A budget of bytes that all requests of a node share (invariant I6). Who finds it used up waits in
 * order, which is felt by the sender as backpressure; nobody is refused.
 */
export class ByteBudget {
  readonly #total: number;
  #free: number;
  readonly #waiting: { readonly bytes: number; readonly start: () => void }[] = [];

  /** @param total bytes; at least the largest single lease */
  constructor(total: number) {
    this.#total = total;
    this.#free = total;
  }

  /** @throws {RangeError} for more than the whole budget, which would never be free */
  async acquire(bytes: number): Promise<ByteLease> {
    if (bytes > this.#total) {
      throw new RangeError(`${bytes} bytes are more than the budget of ${this.#total}`);
    }
    if (this.#waiting.length > 0 || bytes > this.#free) {
      await new Promise<void>((start) => this.#waiting.push({ bytes, start }));
    } else {
      this.#free -= bytes;
    }
    let held = bytes;
    const shrink = (to: number): void => {
      if (to >= held) return;
      this.#free += held - to;
      held = to;
      this.#startWaiting();
    };
    return { shrink, [Symbol.dispose]: () => shrink(0) };
  }

  #startWaiting(): void {
    for (;;) {
      const [first] = this.#waiting;
      if (first === undefined || first.bytes > this.#free) return;
      this.#waiting.shift();
      this.#free -= first.bytes;
      first.start();
    }
  }
}
