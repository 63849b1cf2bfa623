/**
 * Counts, for each incarnation, the events that could make a read of it worthless. Someone who reads
 * notes the counts first and compares them once the stream has passed the read (rule D7). In memory
 * only: what was read and not pushed is read again after a restart.
 */
export class Lives {
  readonly #names = new Map<number, number>();
  readonly #structures = new Map<number, number>();
  #all = 0;

  /** Drops and renames that ended, moved or replaced it. */
  nameChanges(incarnation: number): number {
    return (this.#names.get(incarnation) ?? 0) + this.#all;
  }

  /** Changes of its options and indexes. */
  structureChanges(incarnation: number): number {
    return (this.#structures.get(incarnation) ?? 0) + this.#all;
  }

  nameChanged(incarnation: number): void {
    this.#names.set(incarnation, (this.#names.get(incarnation) ?? 0) + 1);
    this.structureChanged(incarnation);
  }

  structureChanged(incarnation: number): void {
    this.#structures.set(incarnation, (this.#structures.get(incarnation) ?? 0) + 1);
  }

  /** Nothing that was read so far counts any more. */
  everythingChanged(): void {
    this.#all += 1;
  }
}
