/**
 * Acknowledgements come in any order; progress is the end of the prefix without a gap (rule D9).
 * Slots are begun in order, and each is called once with the position that it reached.
 */
export class AcknowledgedPrefix<Position> {
  readonly #onAdvance: (position: Position) => void;
  readonly #reached = new Map<number, Position>();
  #begun = 0;
  #next = 0;

  constructor(onAdvance: (position: Position) => void) {
    this.#onAdvance = onAdvance;
  }

  begin(): (position: Position) => void {
    const number = this.#begun;
    this.#begun += 1;
    return (position) => {
      this.#reached.set(number, position);
      let last: Position | undefined;
      for (;;) {
        const reached = this.#reached.get(this.#next);
        if (reached === undefined) break;
        this.#reached.delete(this.#next);
        this.#next += 1;
        last = reached;
      }
      if (last !== undefined) this.#onAdvance(last);
    };
  }
}
