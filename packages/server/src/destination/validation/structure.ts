import { finding, type FindingCode } from '@linkspan/contract/api/findings.ts';
import { fieldsOf } from '@linkspan/contract/bson/ordered.ts';
import type { Finding } from '@linkspan/contract/push/validation.ts';
import { formatNamespace, type Namespace } from '@linkspan/contract/push/namespaces.ts';
import type { ReconcileRequest, StructureSample } from '@linkspan/contract/push/structure.ts';
import { concurrently } from '@linkspan/contract/tasks/concurrently.ts';

import { newId } from '../../domain/ids.ts';
import { Destination } from '../destination.ts';
import {
  DestinationRefusedError,
  DestinationUnavailableError,
  reasonOf,
  StructureRefusedError,
} from '../errors.ts';
import { applyStructure, type OwnedNamespaces } from '../structure.ts';
import type { Check, Inspected } from './check.ts';

/** Begins the name of a database that one validation makes, and drops: the rest is an id. */
export const PROBES = 'linkspan_probe_';
const AT_ONCE = 4;
/** Of the time that all checks have together. */
const TRIES_MS = 10_000;
/** What a server that was killed left there is dropped by a later validation, after so long. */
const FORGOTTEN_MS = 60 * 60 * 1000;
const UNAUTHORIZED = 13;

/** Nobody else uses the names: each is new. */
const OURS: OwnedNamespaces = {
  has: () => Promise.resolve(true),
  wasThere: () => Promise.resolve(false),
  add: () => Promise.resolve(),
  remove: () => Promise.resolve(),
};

/**
 * Whether the destination takes each kind of option and index that the source has: it is made once, in
 * an empty collection, by the code that a migration makes it with, and asked for again, which must change
 * nothing any more. No table of versions says that as truly.
 */
export const checkStructure: Check = async (inspected) => {
  const { samples, samplesLeftOut, cluster, uri, mayConnect } = inspected;
  const notTried =
    samplesLeftOut === 0
      ? []
      : [leftOut(samplesLeftOut, 'there are too many, or they are too large')];
  if (samples.length === 0) return notTried;
  const destination = new Destination({
    cluster,
    uri,
    mayConnect,
    connectionName: 'linkspan-probe',
    guard: (send) => send(),
  });
  const cut = (): void => void destination.close();
  inspected.signal.addEventListener('abort', cut, { once: true });
  try {
    await dropForgotten(destination);
    return [...(await tryAll(destination, inspected)), ...notTried];
  } finally {
    inspected.signal.removeEventListener('abort', cut);
    await destination.close();
  }
};

async function tryAll(
  destination: Destination,
  { samples, signal }: Inspected,
): Promise<Finding[]> {
  const db = PROBES + newId();
  const until = performance.now() + TRIES_MS;
  const untried: { reason: string | null; count: number } = { reason: null, count: 0 };
  const found = await concurrently(samples, AT_ONCE, async (sample) => {
    signal.throwIfAborted();
    if (untried.reason === null && performance.now() > until) untried.reason = 'it takes too long';
    if (untried.reason === null) {
      try {
        return await tryOne(destination, db, sample);
      } catch (error) {
        if (!isNoAnswer(error)) throw error;
        untried.reason = rootOf(error);
      }
    }
    untried.count += 1;
    return null;
  });
  await drop(destination, db);
  const refused = found.filter((one) => one !== null);
  return untried.reason === null ? refused : [...refused, leftOut(untried.count, untried.reason)];
}

/** It says nothing of what was tried: a lack of privileges, an election, a full disk. */
function isNoAnswer(error: unknown): boolean {
  if (error instanceof DestinationUnavailableError) return true;
  return error instanceof DestinationRefusedError && error.code === UNAUTHORIZED;
}

async function tryOne(
  destination: Destination,
  db: string,
  sample: StructureSample,
): Promise<Finding | null> {
  const namespace = { db, coll: newId() };
  const request = requestFor(sample, namespace);
  const make = (): Promise<string[]> => applyStructure(destination, OURS, request);
  try {
    await make();
    const again = await make();
    if (again.length === 0) return null;
    return refusal(sample, `it is not kept as it was made: ${again.join(', ')}`);
  } catch (error) {
    const isRefusal =
      error instanceof StructureRefusedError || error instanceof DestinationRefusedError;
    if (!isRefusal || isNoAnswer(error)) throw error;
    // What was tried has a name that means nothing to anyone.
    return refusal(sample, rootOf(error).replaceAll(formatNamespace(namespace), 'it'));
  } finally {
    await destination
      .write(namespace.db, 'drop what was tried', { drop: namespace.coll })
      .catch(() => undefined);
  }
}

function requestFor(sample: StructureSample, namespace: Namespace): ReconcileRequest {
  if ('view' in sample) return { action: 'view', ...namespace, options: sample.view };
  const indexes = 'index' in sample ? [sample.index] : [];
  const options = 'options' in sample ? sample.options : {};
  const buckets = 'options' in sample && sample.buckets === true ? { buckets: true } : {};
  return { action: 'collection', ...namespace, options, indexes, ...buckets };
}

/** What the server itself said, where it did. */
function rootOf(error: unknown): string {
  let root = error;
  while (root instanceof Error && root.cause instanceof Error) root = root.cause;
  return reasonOf(root);
}

/** A server may have been killed before it dropped what it tried. */
async function dropForgotten(destination: Destination): Promise<void> {
  for (const db of await destination.listDatabases()) {
    if (!db.startsWith(PROBES)) continue;
    const madeAt = Number.parseInt(db.slice(PROBES.length, PROBES.length + 8), 16) * 1000;
    if (Date.now() - madeAt > FORGOTTEN_MS) await drop(destination, db);
  }
}

/** The whole of it, since a server keeps a collection of its own about views. Nobody else uses it. */
async function drop(destination: Destination, db: string): Promise<void> {
  await destination.write(db, 'drop what was tried', { dropDatabase: 1 }).catch(() => undefined);
}

function leftOut(count: number, reason: string): Finding {
  return finding('DESTINATION_STRUCTURE_NOT_TRIED', `${count} of them were not: ${reason}.`);
}

function refusal(sample: StructureSample, reason: string): Finding {
  const more = sample.count - sample.of.length;
  const where = `${sample.of.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
  const named = 'index' in sample ? `the index ${String(sample.index['name'])} of ${where}` : where;
  return finding(codeOf(sample), `${named}: ${reason}.`);
}

function codeOf(sample: StructureSample): FindingCode {
  if ('view' in sample) return 'DESTINATION_VIEW_REFUSED';
  if ('index' in sample) return codeOfIndex(sample.index);
  const [first = ''] = Object.keys(sample.options);
  return OPTION_CODES.get(first) ?? 'DESTINATION_OPTION_REFUSED';
}

const OPTION_CODES: ReadonlyMap<string, FindingCode> = new Map([
  ['capped', 'DESTINATION_CAPPED_COLLECTION_REFUSED'],
  ['validator', 'DESTINATION_VALIDATOR_REFUSED'],
  ['validationLevel', 'DESTINATION_VALIDATOR_REFUSED'],
  ['validationAction', 'DESTINATION_VALIDATOR_REFUSED'],
  ['timeseries', 'DESTINATION_TIME_SERIES_REFUSED'],
  ['clusteredIndex', 'DESTINATION_CLUSTERED_COLLECTION_REFUSED'],
  ['changeStreamPreAndPostImages', 'DESTINATION_PRE_AND_POST_IMAGES_REFUSED'],
  ['collation', 'DESTINATION_COLLATION_REFUSED'],
  ['encryptedFields', 'DESTINATION_ENCRYPTED_FIELDS_REFUSED'],
]);

const KIND_CODES: ReadonlyMap<string, FindingCode> = new Map([
  ['text', 'DESTINATION_TEXT_INDEX_REFUSED'],
  ['hashed', 'DESTINATION_HASHED_INDEX_REFUSED'],
  ['2dsphere', 'DESTINATION_GEO_INDEX_REFUSED'],
  ['2dsphere_bucket', 'DESTINATION_GEO_INDEX_REFUSED'],
  ['2d', 'DESTINATION_GEO_INDEX_REFUSED'],
  ['geoHaystack', 'DESTINATION_GEO_INDEX_REFUSED'],
  ['columnstore', 'DESTINATION_COLUMNSTORE_INDEX_REFUSED'],
]);

function codeOfIndex(index: Readonly<Record<string, unknown>>): FindingCode {
  const key = fieldsOf(index['key']);
  const special = key.map(([, kind]) => KIND_CODES.get(String(kind))).find(Boolean);
  if (special !== undefined) return special;
  if (key.some(([field]) => field === '$**' || field.endsWith('.$**'))) {
    return 'DESTINATION_WILDCARD_INDEX_REFUSED';
  }
  if (index['collation'] !== undefined) return 'DESTINATION_INDEX_COLLATION_REFUSED';
  if (index['partialFilterExpression'] !== undefined) return 'DESTINATION_PARTIAL_INDEX_REFUSED';
  return 'DESTINATION_INDEX_REFUSED';
}
