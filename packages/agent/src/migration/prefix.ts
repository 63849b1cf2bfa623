/**
 * Acknowledgements come in any order; progress is the end of the prefix without a gap (rule D9).
 * Slots are begun in order, and each is called once with what was acknowledged in it.
 */
export class AcknowledgedPrefix<Slot> {
  readonly #onAdvance: (slots: readonly Slot[]) => void;
  readonly #reached = new Map<number, Slot>();
  #begun = 0;
  #next = 0;

  /** @param onAdvance called with the slots, never none, by which the prefix became longer */
  constructor(onAdvance: (slots: readonly Slot[]) => void) {
    this.#onAdvance = onAdvance;
  }

  begin(): (slot: Slot) => void {
    const number = this.#begun;
    this.#begun += 1;
    return (slot) => {
      this.#reached.set(number, slot);
      const slots: Slot[] = [];
      for (;;) {
        const reached = this.#reached.get(this.#next);
        if (reached === undefined) break;
        this.#reached.delete(this.#next);
        this.#next += 1;
        slots.push(reached);
      }
      if (slots.length > 0) this.#onAdvance(slots);
    };
  }
}
