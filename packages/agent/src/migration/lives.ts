import type { Journal } from '../journal/journal.ts';
import type { Applied } from './applyEvent.ts';
import { NameWatch } from './nameWatch.ts';

/**
 * Counts, for each incarnation, the events that could make a read of it worthless. Someone who reads
 * notes the counts first and compares them once the stream has passed the read (rule D7). In memory
 * only: what was read and not pushed is read again after a restart.
 *
 * The count of an incarnation that is not in the journal is NaN, which is equal to nothing: whatever
 * was noted of it before or is noted afterwards, its reads are worthless. So nothing has to be kept of
 * it (invariant I6).
 */
export class Lives {
  readonly #journal: Pick<Journal, 'incarnations'>;
  readonly #names = new Map<number, number>();
  readonly #structures = new Map<number, number>();
  readonly #watches = new Set<NameWatch>();
  #all = 0;

  constructor(journal: Pick<Journal, 'incarnations'>) {
    this.#journal = journal;
  }

  /** Drops and renames that ended, moved or replaced it. */
  nameChanges(incarnation: number): number {
    return this.#count(this.#names, incarnation);
  }

  /** Changes of its options and indexes. */
  structureChanges(incarnation: number): number {
    return this.#count(this.#structures, incarnation);
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
    this.#add(this.#names, incarnation);
    this.structureChanged(incarnation);
  }

  structureChanged(incarnation: number): void {
    this.#add(this.#structures, incarnation);
  }

  /** Nothing that was read so far counts any more. */
  everythingChanged(): void {
    this.#all += 1;
    for (const watch of this.#watches) watch.noteEverything();
  }

  /** Called once the journal does not have it any more. */
  forget(incarnation: number): void {
    this.#names.delete(incarnation);
    this.#structures.delete(incarnation);
  }

  /** For how many something is kept. */
  get size(): number {
    return new Set([...this.#names.keys(), ...this.#structures.keys()]).size;
  }

  #count(counts: ReadonlyMap<number, number>, incarnation: number): number {
    return this.#isKnown(incarnation) ? (counts.get(incarnation) ?? 0) + this.#all : NaN;
  }

  #add(counts: Map<number, number>, incarnation: number): void {
    if (this.#isKnown(incarnation)) counts.set(incarnation, (counts.get(incarnation) ?? 0) + 1);
  }

  #isKnown(incarnation: number): boolean {
    return this.#journal.incarnations.get(incarnation) !== undefined;
  }
}
