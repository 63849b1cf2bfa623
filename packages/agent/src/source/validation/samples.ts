import { fieldsOf } from '@linkspan/contract/bson/ordered.ts';
import { formatNamespace } from '@linkspan/contract/push/namespaces.ts';
import {
  MAX_SAMPLE_BYTES,
  MAX_SAMPLES,
  type SampledStructure,
} from '@linkspan/contract/push/structure.ts';
import { BSON, type Document } from 'mongodb';
import type { ListedNamespace } from '../listing.ts';

/** Namespaces that are named with a sample, of all that have it. */
const NAMED = 3;

/** Options of a collection that mean something together only. All others stand for themselves. */
const TOGETHER: readonly (readonly [leader: string, ...others: string[]])[] = [
  ['capped', 'size', 'max'],
  ['validator', 'validationLevel', 'validationAction'],
  ['timeseries', 'expireAfterSeconds'],
  ['clusteredIndex', 'expireAfterSeconds'],
];

/** With only these, and keys that go up or down, an index is one that every server has. */
const PLAIN = new Set(['v', 'key', 'name', 'unique', 'sparse', 'expireAfterSeconds']);

interface Kind {
  readonly structure: SampledStructure;
  readonly of: string[];
  count: number;
  /** What it is one of many of, to show first one of each. */
  readonly family: string;
}

/** What a report says of the kinds of options and indexes, for the destination to try. */
export interface Samples {
  /** `StructureSample`s in BSON, in base64. */
  readonly samples: string[];
  readonly samplesLeftOut: number;
}

/**
 * Every kind of option and index that not every server takes, once each: however many collections there
 * are, what is sent is bounded. First comes one of each family, so that the last text index is not
 * crowded out by hundreds of filters.
 */
export function sampleStructure(listed: readonly ListedNamespace[]): Samples {
  const kinds = new Map<string, Kind>();
  for (const { namespace, unsupported, ...rest } of listed) {
    if (unsupported !== null) continue;
    const name = formatNamespace(namespace);
    for (const structure of structuresOf(rest)) {
      const text = BSON.EJSON.stringify(shapeOf(structure), { relaxed: false });
      const kind = kinds.get(text);
      if (kind === undefined) {
        kinds.set(text, { structure, of: [name], count: 1, family: familyOf(structure) });
        continue;
      }
      kind.count += 1;
      if (kind.of.length < NAMED) kind.of.push(name);
    }
  }
  const inTurn = oneOfEach([...kinds.values()]);
  const encoded = inTurn
    .map(({ structure, of, count }) => BSON.serialize({ of, count, ...structure }))
    .filter((bytes) => bytes.length <= MAX_SAMPLE_BYTES)
    .slice(0, MAX_SAMPLES);
  return {
    samples: encoded.map((bytes) => Buffer.from(bytes).toString('base64')),
    samplesLeftOut: inTurn.length - encoded.length,
  };
}

function structuresOf({
  type,
  options,
  indexes,
  buckets,
}: Pick<ListedNamespace, 'type' | 'options' | 'indexes' | 'buckets'>): SampledStructure[] {
  if (type === 'view') return [{ view: options }];
  const grouped = groupsOf(options).map((group) =>
    buckets && group['timeseries'] !== undefined
      ? { options: group, buckets: true as const }
      : { options: group },
  );
  return [...grouped, ...indexes.filter((index) => !isPlain(index)).map((index) => ({ index }))];
}

function groupsOf(options: Document): Document[] {
  const left = new Map(Object.entries(options));
  const groups: Document[] = [];
  for (const [leader, ...others] of TOGETHER) {
    if (!left.has(leader)) continue;
    const group = [leader, ...others].filter((name) => left.has(name));
    groups.push(Object.fromEntries(group.map((name) => [name, left.get(name)])));
    for (const name of group) left.delete(name);
  }
  return [...groups, ...[...left].map(([name, value]) => ({ [name]: value }))];
}

function isPlain(index: Document): boolean {
  const isDirection = ([field, value]: [string, unknown]): boolean =>
    !Number.isNaN(Number(value)) && !isWildcard(field);
  return (
    Object.keys(index).every((name) => PLAIN.has(name)) &&
    Number(index['v'] ?? 2) === 2 &&
    fieldsOf(index['key']).every(isDirection)
  );
}

function isWildcard(field: string): boolean {
  return field === '$**' || field.endsWith('.$**');
}

/** What makes two of one kind: not the names of indexes and of their fields. */
function shapeOf(structure: SampledStructure): Document {
  if (!('index' in structure)) return structure;
  const { name: _name, weights: _weights, key, ...rest } = structure.index;
  return { index: [keyTypes(key), new Map(Object.entries(rest).toSorted(byName))] };
}

function familyOf(structure: SampledStructure): string {
  if ('view' in structure) return 'view';
  if ('options' in structure) return Object.keys(structure.options).join();
  const { key, ...rest } = structure.index;
  return [...keyTypes(key), ...Object.keys(rest).toSorted()].join();
}

function keyTypes(key: unknown): string[] {
  return fieldsOf(key).map(([field, value]) => `${isWildcard(field) ? '$**' : ''}${String(value)}`);
}

function byName([a]: [string, unknown], [b]: [string, unknown]): number {
  return a < b ? -1 : 1;
}

function oneOfEach(kinds: readonly Kind[]): Kind[] {
  const families = [...Map.groupBy(kinds, ({ family }) => family).values()];
  const longest = Math.max(0, ...families.map(({ length }) => length));
  return Array.from({ length: longest }, (_, turn) =>
    families.flatMap((family) => family[turn] ?? []),
  ).flat();
}
