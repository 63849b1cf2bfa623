/** What the steps of a migration are waiting for, for its status, and how often in a row they have. */
export class Waiting {
  readonly #entries = new Map<string, { reason: string; times: number }>();

  /** @returns how often it was set since it was cleared, this time included */
  set(who: string, reason: string): number {
    const times = (this.#entries.get(who)?.times ?? 0) + 1;
    this.#entries.set(who, { reason, times });
    return times;
  }

  clear(who: string): void {
    this.#entries.delete(who);
  }

  /** All reasons in words, or null. */
  describe(): string | null {
    if (this.#entries.size === 0) return null;
    return [...this.#entries.values()].map(({ reason }) => reason).join('; ');
  }
}
