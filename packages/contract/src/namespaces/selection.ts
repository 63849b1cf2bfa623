import { isMigratable, type Namespace, namespaceKey } from '../push/namespaces.ts';
import type { Namespaces } from '../push/work.ts';
import {
  matches,
  matchesEverything,
  matchesName,
  type NamespacePattern,
  parseName,
  parsePattern,
} from './pattern.ts';

/** Decisions that are kept: events come in runs of few names. */
const KEPT_AT_MOST = 1000;

/**
 * Which namespaces of the source a migration moves, and what they are called at the destination. The
 * same for a migration all its life.
 */
export class Selection {
  /** All that is migrated at all, under its own name. */
  static readonly everything = new Selection(null);

  readonly #include: readonly NamespacePattern[];
  readonly #exclude: readonly NamespacePattern[];
  readonly #databases = new Map<string, string>();
  /** By the source's name. */
  readonly #namespaces = new Map<string, { readonly from: Namespace; readonly to: Namespace }>();
  readonly #kept = new Map<string, boolean>();

  /** @throws {PatternError} for what {@link checkNamespaces} refuses */
  constructor(namespaces: Namespaces | null) {
    const { include = [], exclude = [], rename = [] } = namespaces ?? {};
    this.#include = include.map(parsePattern);
    this.#exclude = exclude.map(parsePattern);
    for (const names of rename) {
      const [from, to] = [parseName(names.from), parseName(names.to)];
      if (from.coll === null || to.coll === null) this.#databases.set(from.db, to.db);
      else {
        const both = { from: from as Namespace, to: to as Namespace };
        this.#namespaces.set(namespaceKey(both.from), both);
      }
    }
  }

  /** True if any name is another one at the destination. */
  get renames(): boolean {
    return this.#databases.size > 0 || this.#namespaces.size > 0;
  }

  /** An exclusion wins; without inclusions everything is included. */
  selects(namespace: Namespace): boolean {
    if (!isMigratable(namespace)) return false;
    if (this.#include.length === 0 && this.#exclude.length === 0) return true;
    const key = namespaceKey(namespace);
    let decision = this.#kept.get(key);
    if (decision === undefined) {
      if (this.#kept.size >= KEPT_AT_MOST) this.#kept.clear();
      decision = this.#decide(namespace);
      this.#kept.set(key, decision);
    }
    return decision;
  }

  /** True for what would be moved, were it not left out. */
  leavesOut(namespace: Namespace): boolean {
    return isMigratable(namespace) && !this.selects(namespace);
  }

  /** False if no collection of the database can be selected, whatever its name. */
  maySelectIn(db: string): boolean {
    if (!isMigratable({ db, coll: '' })) return false;
    const isIncluded =
      this.#include.length === 0 || this.#include.some((pattern) => matchesName(pattern.db, db));
    return (
      isIncluded &&
      !this.#exclude.some(
        (pattern) => matchesEverything(pattern.coll) && matchesName(pattern.db, db),
      )
    );
  }

  /** Its name at the destination: the rename of the namespace stands above that of its database. */
  destinationOf(namespace: Namespace): Namespace {
    if (!this.renames) return namespace;
    const own = this.#namespaces.get(namespaceKey(namespace));
    if (own !== undefined) return own.to;
    const db = this.#databases.get(namespace.db);
    return db === undefined ? namespace : { db, coll: namespace.coll };
  }

  /** Every name at the source that is selected and would have this name at the destination. */
  sourcesOf(destination: Namespace): Namespace[] {
    const { db, coll } = destination;
    const key = namespaceKey(destination);
    const candidates = new Map<string, Namespace>([[key, destination]]);
    const add = (candidate: Namespace): void => {
      candidates.set(namespaceKey(candidate), candidate);
    };
    for (const [from, to] of this.#databases) if (to === db) add({ db: from, coll });
    for (const { from, to } of this.#namespaces.values()) if (namespaceKey(to) === key) add(from);
    return [...candidates.values()].filter(
      (candidate) => this.selects(candidate) && namespaceKey(this.destinationOf(candidate)) === key,
    );
  }

  #decide(namespace: Namespace): boolean {
    const isMeant = (pattern: NamespacePattern): boolean => matches(pattern, namespace);
    if (this.#exclude.some(isMeant)) return false;
    return this.#include.length === 0 || this.#include.some(isMeant);
  }
}
