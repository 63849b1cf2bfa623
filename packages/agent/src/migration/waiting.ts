interface Entry {
  readonly reason: string;
  readonly times: number;
  readonly isOver: () => boolean;
}

/** What the steps of a migration are waiting for, for its status, and how often in a row they have. */
export class Waiting {
  readonly #entries = new Map<string, Entry>();

  /**
   * @param isOver true once nobody comes back to clear it
   * @returns how often it was set since it was cleared, this time included
   */
  set(who: string, reason: string, isOver: () => boolean = () => false): number {
    this.#forgetOver();
    const times = (this.#entries.get(who)?.times ?? 0) + 1;
    this.#entries.set(who, { reason, times, isOver });
    return times;
  }

  clear(who: string): void {
    this.#entries.delete(who);
  }

  /** All reasons in words, or null. */
  describe(): string | null {
    this.#forgetOver();
    if (this.#entries.size === 0) return null;
    return [...this.#entries.values()].map(({ reason }) => reason).join('; ');
  }

  #forgetOver(): void {
    for (const [who, { isOver }] of this.#entries) if (isOver()) this.#entries.delete(who);
  }
}
