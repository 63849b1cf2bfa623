import type { Document } from 'mongodb';

import { canonical, isTrue, normaliseCollation } from './canonical.ts';
import { StructureRefusedError } from './errors.ts';

/** About how an index was built or is stored, not what it is. */
const LEFT_OUT = new Set(['ns', 'background', 'dropDups', 'safe', 'storageEngine', 'clustered']);
const FLAGS = new Set(['unique', 'sparse', 'hidden', 'prepareUnique']);
/** What is moved (rule C12). Source: MongoDB manual, `createIndexes`. */
const MOVED = new Set([
  'v',
  'key',
  'name',
  'collation',
  'expireAfterSeconds',
  'partialFilterExpression',
  'wildcardProjection',
  'weights',
  'default_language',
  'language_override',
  'textIndexVersion',
  '2dsphereIndexVersion',
  'finestIndexedLevel',
  'coarsestIndexedLevel',
  'bits',
  'min',
  'max',
  ...FLAGS,
]);
const DEFAULT_VERSION = 2;

/**
 * An index specification as it is compared: defaults, flags that are off and collations that mean
 * binary comparison left out. An index without a collation compares bytes, on a collated collection
 * too: listIndexes shows an inherited collation in full.
 * @param where the namespace, for messages
 * @throws {StructureRefusedError} for an option that is not moved
 */
export function normaliseIndex(spec: Document, where: string): Document {
  const normalised: Document = {};
  for (const [name, value] of Object.entries(spec)) {
    if (LEFT_OUT.has(name)) continue;
    if (!MOVED.has(name)) {
      throw new StructureRefusedError(
        `the index ${String(spec['name'])} of ${where} has the option ${name}, which is not moved`,
      );
    }
    if (name === 'v' && Number(value) === DEFAULT_VERSION) continue;
    if (!FLAGS.has(name)) normalised[name] = value;
    else if (isTrue(value)) normalised[name] = true;
  }
  const collation = normaliseCollation(normalised['collation']);
  if (collation === undefined) delete normalised['collation'];
  else normalised['collation'] = collation;
  return normalised;
}

/** True for the index that every collection has by itself. */
export function isBuiltIn(spec: Document): boolean {
  return spec['name'] === '_id_' || isTrue(spec['clustered']);
}

/** How to get from the indexes there are to the wanted ones. */
export interface IndexPlan {
  /** Names. */
  readonly drop: readonly string[];
  /** Specifications for `createIndexes`, without `prepareUnique`, which only `collMod` sets. */
  readonly create: readonly Document[];
  /** The `index` of one `collMod` each. */
  readonly alter: readonly Document[];
}

/**
 * @param collated whether the collection has a collation, which its indexes would inherit
 * @param alterable false: what `collMod` could change is dropped and built again
 */
export function planIndexes(
  current: readonly Document[],
  wanted: readonly Document[],
  collated: boolean,
  alterable: boolean,
): IndexPlan {
  const wantedByName = new Map(wanted.map((spec) => [spec['name'] as string, spec]));
  const drop: string[] = [];
  const alter: Document[] = [];
  const kept = new Set<string>();
  for (const spec of current) {
    const name = spec['name'] as string;
    const target = wantedByName.get(name);
    const change = target === undefined ? null : alteration(spec, target);
    const equal = change !== null && Object.keys(change).length === 0;
    if (change === null || !(equal || alterable)) {
      drop.push(name);
      continue;
    }
    kept.add(name);
    if (!equal) alter.push({ name, ...change });
  }
  const create = wanted
    .filter((spec) => !kept.has(spec['name'] as string))
    .map(({ prepareUnique: _prepared, ...spec }) =>
      collated && spec['collation'] === undefined
        ? { ...spec, collation: { locale: 'simple' } }
        : spec,
    );
  return { drop, create, alter };
}

/** What `collMod` can change: empty if nothing has to be, null if it has to be another index. */
function alteration(current: Document, wanted: Document): Document | null {
  const change: Document = {};
  for (const name of new Set([...Object.keys(current), ...Object.keys(wanted)])) {
    if (canonical(current[name]) === canonical(wanted[name])) continue;
    if (name === 'hidden' || name === 'prepareUnique') change[name] = wanted[name] === true;
    else if (name === 'expireAfterSeconds' && wanted[name] !== undefined) {
      change[name] = wanted[name];
    } else return null;
  }
  return change;
}
