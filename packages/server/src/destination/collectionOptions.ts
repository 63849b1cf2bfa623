import { fieldsOf, isDocument } from '@linkspan/contract/bson/ordered.ts';
import type { Document } from 'mongodb';

import { canonical, isTrue, normaliseCollation } from './canonical.ts';
import { StructureRefusedError } from './errors.ts';

/** Options that say how one server stores a collection, not what it holds: left to the destination. */
const LEFT_OUT = new Set(['autoIndexId', 'flags', 'storageEngine', 'indexOptionDefaults', 'uuid']);
/** What is moved (rule C12). */
const MOVED = new Set([
  'collation',
  'validator',
  'validationLevel',
  'validationAction',
  'changeStreamPreAndPostImages',
  'clusteredIndex',
  'expireAfterSeconds',
  'capped',
  'size',
  'max',
  'timeseries',
]);
/** What `collMod` cannot change. */
const FIXED = new Set(['collation', 'clusteredIndex', 'capped', 'size', 'max']);
/** Some servers round the size of a capped collection up to a multiple of this. */
const SIZE_STEP = 256;

/**
 * The options of a collection that are made equal, without those that stand for the default.
 * @param where the namespace, for messages
 * @throws {StructureRefusedError} for an option that is not moved
 */
export function normaliseOptions(options: Document, where: string): Document {
  const normalised: Document = {};
  for (const [name, value] of Object.entries(options)) {
    if (LEFT_OUT.has(name)) continue;
    if (!MOVED.has(name)) {
      throw new StructureRefusedError(`${where} has the option ${name}, which is not moved`);
    }
    if (!isDefault(name, value)) normalised[name] = value;
  }
  const collation = normaliseCollation(normalised['collation']);
  if (collation === undefined) delete normalised['collation'];
  else normalised['collation'] = collation;
  if (normalised['capped'] === undefined) {
    delete normalised['size'];
    delete normalised['max'];
  }
  const { timeseries } = normalised;
  if (isDocument(timeseries)) normalised['timeseries'] = normaliseSeries(timeseries);
  const { clusteredIndex } = normalised;
  if (isDocument(clusteredIndex)) {
    const { key, unique, name } = Object.fromEntries(fieldsOf(clusteredIndex));
    normalised['clusteredIndex'] = { key, unique, ...(name === undefined ? {} : { name }) };
  }
  return normalised;
}

/** A granularity stands for its span, which servers show beside it. */
function normaliseSeries(value: Document): Document {
  const series = fieldsOf(value);
  if (!series.some(([name]) => name === 'granularity')) return Object.fromEntries(series);
  return Object.fromEntries(series.filter(([name]) => !SPANS.includes(name)));
}

const SPANS = ['bucketMaxSpanSeconds', 'bucketRoundingSeconds'];

/** What `collMod` can change of a time series. Source: MongoDB manual, `collMod`. */
const SERIES_CHANGES = ['granularity', ...SPANS];

/** What stands for its fields, which no server changes; undefined of a collection that is none. */
function seriesFields(value: unknown): Document | undefined {
  if (!isDocument(value)) return undefined;
  const fields = fieldsOf(value).filter(([name]) => !SERIES_CHANGES.includes(name));
  return Object.fromEntries(fields.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function isDefault(name: string, value: unknown): boolean {
  switch (name) {
    case 'validator':
      return isDocument(value) && fieldsOf(value).length === 0;
    case 'validationLevel':
      return value === 'strict';
    case 'validationAction':
      return value === 'error';
    case 'capped':
      return !isTrue(value);
    case 'max':
      return Number(value) <= 0;
    case 'changeStreamPreAndPostImages':
      return isDocument(value) && !isTrue(Object.fromEntries(fieldsOf(value))['enabled']);
    default:
      return false;
  }
}

/** Servers show the fields of a time series in an order of their own, and some show the default. */
function seriesText(value: unknown): string {
  const fields = new Map(fieldsOf(value));
  if (fields.size > 0 && SPANS.every((name) => !fields.has(name))) {
    fields.set('granularity', fields.get('granularity') ?? 'seconds');
  }
  return canonical(new Map([...fields].toSorted(([a], [b]) => (a < b ? -1 : 1))));
}

/** What `collMod` is told to take an option back. */
const RESET: Document = {
  validator: {},
  validationLevel: 'strict',
  validationAction: 'error',
  changeStreamPreAndPostImages: { enabled: false },
  expireAfterSeconds: 'off',
};

/** The first option that differs and that only a new collection could have, or null. */
export function fixedDifference(current: Document, wanted: Document): string | null {
  const other = [...FIXED].find((name) => !isSame(name, current[name], wanted[name]));
  if (other !== undefined) return other;
  const [is, isToBe] = [current['timeseries'], wanted['timeseries']].map(seriesFields);
  return canonical(is) === canonical(isToBe) ? null : 'timeseries';
}

function seriesChange(wanted: unknown): Document {
  return Object.fromEntries(fieldsOf(wanted).filter(([name]) => SERIES_CHANGES.includes(name)));
}

function isSame(name: string, a: unknown, b: unknown): boolean {
  if (name === 'timeseries') return seriesText(a) === seriesText(b);
  if (name !== 'size' || a === undefined || b === undefined) return canonical(a) === canonical(b);
  const steps = (size: unknown): number => Math.ceil(Number(size) / SIZE_STEP);
  return steps(a) === steps(b);
}

/**
 * What `collMod` has to change so that a collection gets the wanted options; empty if nothing.
 * Both sides normalised.
 * @throws {StructureRefusedError} where only a new collection could have them
 */
export function optionChanges(current: Document, wanted: Document, where: string): Document {
  const fixed = fixedDifference(current, wanted);
  if (fixed !== null) {
    throw new StructureRefusedError(
      `${where} has another ${fixed} at the destination, which cannot be changed: drop it there, or rename it`,
    );
  }
  const changes: Document = {};
  for (const name of new Set([...Object.keys(current), ...Object.keys(wanted)])) {
    if (isSame(name, current[name], wanted[name])) continue;
    const isSeries = name === 'timeseries';
    changes[name] = isSeries ? seriesChange(wanted[name]) : (wanted[name] ?? RESET[name]);
  }
  return changes;
}
