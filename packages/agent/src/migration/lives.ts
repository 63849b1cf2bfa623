import type { Applied } from './applyEvent.ts';
import { NameWatch } from './nameWatch.ts';

/**
 * Counts, for each incarnation, the events that could make a read of it worthless. Someone who reads
 * notes the counts first and compares them once the stream has passed the read (rule D7). In memory
 * only: what was read and not pushed is read again after a restart.
 */
export class Lives {
  readonly #names = new Map<number, number>();
  readonly #structures = new Map<number, number>();
  readonly #watches = new Set<NameWatch>();
  #all = 0;

  /** Drops and renames that ended, moved or replaced it. */
  nameChanges(incarnation: number): number {
    return (this.#names.get(incarnation) ?? 0) + this.#all;
  }

  /** Changes of its options and indexes. */
  structureChanges(incarnation: number): number {
    return (this.#structures.get(incarnation) ?? 0) + this.#all;
  }

  /** Notes which names events touch from now on, of collections that are not known, too. */
  watchNames(): NameWatch {
    const watch = new NameWatch(() => void this.#watches.delete(watch));
    this.#watches.add(watch);
    return watch;
  }

  /** Called with what each event did, once the journal has it and before the stream's position moves. */
  note({ renamed, restructured, touched }: Applied): void {
    for (const id of renamed) this.nameChanged(id);
    for (const id of restructured) this.structureChanged(id);
    for (const watch of this.#watches) for (const touch of touched) watch.note(touch);
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
    for (const watch of this.#watches) watch.noteEverything();
  }
}
