import { type Namespace, isMigratable, namespaceKey } from '@linkspan/contract/push/namespaces.ts';
import { type ClusterTime, NO_TIME } from '../journal/clusterTime.ts';

/** An event after which a name may stand for something else than before, or for nothing. */
export interface Touch {
  /** `coll` is empty where it was about a whole database. */
  readonly name: Namespace;
  /** Time of the event, if since then the journal knows what has the name; else null. */
  readonly madeAt: ClusterTime | null;
}

/**
 * Notes which names were touched while the source is listed. What a listing shows of a name counts
 * only if it was not (rule D7). Ends with the block that began it.
 */
export class NameWatch implements Disposable {
  readonly #names = new Map<string, { readonly name: Namespace; madeAt: ClusterTime }>();
  readonly #databases = new Set<string>();
  readonly #onEnd: () => void;
  #isVoid = false;

  constructor(onEnd: () => void) {
    this.#onEnd = onEnd;
  }

  note({ name, madeAt }: Touch): void {
    if (name.coll === '') {
      this.#databases.add(name.db);
      return;
    }
    const key = namespaceKey(name);
    const before = this.#names.get(key)?.madeAt ?? NO_TIME;
    this.#names.set(key, { name, madeAt: madeAt !== null && madeAt > before ? madeAt : before });
  }

  /** The history was lost meanwhile: no name is known not to have been touched. */
  noteEverything(): void {
    this.#isVoid = true;
  }

  get isVoid(): boolean {
    return this.#isVoid;
  }

  has(name: Namespace): boolean {
    return this.#names.has(namespaceKey(name)) || this.#databases.has(name.db);
  }

  /**
   * True if events later than `time` tell what has the name now: it was made, and if it has gone since
   * then, an event told of that, too.
   */
  isToldSince(name: Namespace, time: ClusterTime): boolean {
    return (this.#names.get(namespaceKey(name))?.madeAt ?? NO_TIME) > time;
  }

  /** Those that were touched by themselves and are migrated. */
  names(): Namespace[] {
    return [...this.#names.values()].map(({ name }) => name).filter(isMigratable);
  }

  [Symbol.dispose](): void {
    this.#onEnd();
  }
}
