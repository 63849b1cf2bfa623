import { fieldsOf, isDocument, orderedDocument } from '@linkspan/contract/bson/ordered.ts';
import type {
  StructureRefusal,
  StructureReply,
  StructuresReply,
} from '@linkspan/contract/push/session.ts';
import { namespaceKey, type Namespace } from '@linkspan/contract/push/namespaces.ts';
import {
  MAX_STRUCTURES,
  type ReconcileRequest,
  type StructureRequest,
} from '@linkspan/contract/push/structure.ts';
import { BSON } from 'mongodb';

import { listNamespaces } from '../destination/catalog.ts';
import {
  DestinationRefusedError,
  NamespaceGoneError,
  type StructureRefusedError,
} from '../destination/errors.ts';
import { applyStructure, reconcileAll } from '../destination/structure.ts';
import { checkNamespace, MAX_LANE } from './documents.ts';
import { PushError } from './errors.ts';
import { readInteger, readText } from './messages.ts';
import type { PushSession } from './session.ts';

/**
 * Carries out one structural request; two of the same namespace never at once.
 * @throws {PushError} {StructureRefusedError} {DestinationUnavailableError} {DestinationRefusedError}
 */
export async function changeStructure(session: PushSession, body: Buffer): Promise<StructureReply> {
  const message = decode(body);
  const request = readMessage(message);
  const keys = namespacesOf(request).map(namespaceKey);
  return inItsLane(session, message, keys, async () => {
    session.check();
    if (request.action === 'drop' || request.action === 'rename') {
      // What other hosts copy of it is a part of what the barrier waits for (rule D16).
      for (const namespace of namespacesOf(request)) {
        await session.ranges.end({ namespace }, session.refused);
      }
      session.check();
    }
    return { changes: await applyStructure(session.destination, session.owned, request) };
  });
}

/**
 * A copy of a drop or rename may come late, when the name is another collection's by now: one that has a
 * number is carried out once (rule D13).
 * @param keys of its namespaces: two of the same one never at once
 * @throws {PushError} LANE_STALE, MESSAGE_INVALID
 */
async function inItsLane<T>(
  session: PushSession,
  message: Record<string, unknown>,
  keys: readonly string[],
  carryOut: () => Promise<T>,
): Promise<T> {
  const number = message['number'];
  const last =
    number === undefined ? 0 : readInteger(message, 'number', 1, Number.MAX_SAFE_INTEGER);
  const run = (): Promise<T> =>
    session.structure.run(keys, async () => {
      await session.noteStructure(last);
      return carryOut();
    });
  if (message['lane'] === undefined && message['seq'] === undefined) return run();
  const lane = readInteger(message, 'lane', 0, MAX_LANE);
  const seq = readInteger(message, 'seq', 1, Number.MAX_SAFE_INTEGER);
  return session.structureLanes.run(lane, seq, run);
}

function namespacesOf(request: StructureRequest): Namespace[] {
  const { db, coll } = request;
  if (request.action !== 'rename') return [{ db, coll }];
  return [
    { db, coll },
    { db: request.toDb, coll: request.toColl },
  ];
}

/**
 * Carries out requests of many namespaces at once; what is refused of one does not keep the others.
 * @throws {PushError} {DestinationUnavailableError}
 */
export async function changeStructures(
  session: PushSession,
  body: Buffer,
): Promise<StructuresReply> {
  const message = decode(body);
  const requests = readRequests(message);
  return inItsLane(session, message, requests.map(namespaceKey), async () => {
    session.check();
    const results = await reconcileAll(session.destination, session.owned, requests);
    return {
      results: results.map(({ changes, error }) => ({
        changes: [...changes],
        refused: error === null ? null : refusalOf(error),
      })),
    };
  });
}

function refusalOf(error: DestinationRefusedError | StructureRefusedError): StructureRefusal {
  const { message } = error;
  if (error instanceof DestinationRefusedError) return { code: 'DESTINATION_REFUSED', message };
  if (error instanceof NamespaceGoneError) return { code: 'NAMESPACE_GONE', message };
  const holders = error.holders.map((key) => key.toString('base64'));
  return { code: 'STRUCTURE_REFUSED', message, ...(holders.length > 0 && { holders }) };
}

/** A `DestinationListing` in BSON. */
export async function listDestination(session: PushSession, body: Buffer): Promise<Uint8Array> {
  const message = decode(body);
  const what = { namesOnly: message['namesOnly'] === true, counted: message['counted'] === true };
  session.check();
  const { destination, ownedNamespaces } = session;
  return BSON.serialize(await listNamespaces(destination, ownedNamespaces, what));
}

/** @throws {PushError} MESSAGE_INVALID, NAMESPACE_REFUSED */
export function readRequest(body: Buffer): StructureRequest {
  return readMessage(decode(body));
}

function decode(body: Buffer): Record<string, unknown> {
  try {
    return orderedDocument(body);
  } catch {
    throw new PushError('MESSAGE_INVALID', 'The body is not BSON.');
  }
}

function readRequests({ requests }: Record<string, unknown>): ReconcileRequest[] {
  const valid =
    Array.isArray(requests) &&
    requests.length <= MAX_STRUCTURES &&
    requests.every((request) => isDocument(request));
  if (!valid) {
    throw new PushError(
      'MESSAGE_INVALID',
      `requests: must be an array of at most ${MAX_STRUCTURES} documents.`,
    );
  }
  const read = requests.map((request) => readMessage(Object.fromEntries(fieldsOf(request))));
  if (new Set(read.map(namespaceKey)).size < read.length) {
    throw new PushError('MESSAGE_INVALID', 'requests: names a namespace more than once.');
  }
  return read.map((request) => {
    if (request.action === 'collection' || request.action === 'view') return request;
    throw new PushError('MESSAGE_INVALID', `requests: "${request.action}" is sent by itself.`);
  });
}

function readMessage(message: Record<string, unknown>): StructureRequest {
  const action = readText(message, 'action');
  const name = { db: readText(message, 'db'), coll: readText(message, 'coll') };
  checkNamespace(name);
  const namespace = { ...name, made: message['made'] === true };
  switch (action) {
    case 'collection':
      return {
        action,
        ...namespace,
        options: readDocument(message, 'options'),
        indexes: readIndexes(message),
        buckets: message['buckets'] === true,
      };
    case 'view':
      return { action, ...namespace, options: readDocument(message, 'options') };
    case 'drop':
      return { action, ...namespace };
    case 'rename': {
      const to = { db: readText(message, 'toDb'), coll: readText(message, 'toColl') };
      checkNamespace(to);
      return { action, ...namespace, toDb: to.db, toColl: to.coll };
    }
    default:
      throw new PushError('MESSAGE_INVALID', `action: "${action}" is not known.`);
  }
}

function readDocument(message: Record<string, unknown>, field: string): Record<string, unknown> {
  const value = message[field];
  if (isDocument(value)) return Object.fromEntries(fieldsOf(value));
  throw new PushError('MESSAGE_INVALID', `${field}: must be a document.`);
}

function readIndexes(message: Record<string, unknown>): Record<string, unknown>[] {
  if (Array.isArray(message['indexes'])) {
    const indexes = message['indexes'].map((spec) => Object.fromEntries(fieldsOf(spec)));
    const isValid = ({ name, key }: Record<string, unknown>): boolean =>
      typeof name === 'string' && isDocument(key);
    if (indexes.every(isValid)) return indexes;
  }
  throw new PushError(
    'MESSAGE_INVALID',
    'indexes: must be an array of documents that each have a name and a key.',
  );
}
