/** What the steps of a migration are waiting for, for its status. */
export class Waiting {
  readonly #reasons = new Map<string, string>();

  set(who: string, reason: string): void {
    this.#reasons.set(who, reason);
  }

  clear(who: string): void {
    this.#reasons.delete(who);
  }

  /** All reasons in words, or null. */
  describe(): string | null {
    return this.#reasons.size === 0 ? null : [...this.#reasons.values()].join('; ');
  }
}
