import { fieldsOf, isDocument, orderedDocument } from '@linkspan/contract/bson/ordered.ts';
import type { StructureReply } from '@linkspan/contract/push/messages.ts';
import { namespaceKey } from '@linkspan/contract/push/namespaces.ts';
import type { StructureRequest } from '@linkspan/contract/push/structure.ts';
import { BSON } from 'mongodb';

import { listNamespaces } from '../destination/catalog.ts';
import { applyStructure } from '../destination/structure.ts';
import { checkNamespace } from './documents.ts';
import { PushError } from './errors.ts';
import { readText } from './messages.ts';
import type { PushSession } from './session.ts';

/**
 * Carries out one structural request; two of the same namespace never at once.
 * @throws {PushError} {StructureRefusedError} {DestinationUnavailableError} {DestinationRefusedError}
 */
export async function changeStructure(session: PushSession, body: Buffer): Promise<StructureReply> {
  const request = readRequest(body);
  const names = [request];
  const keys = names.map(namespaceKey);
  if (request.action === 'rename') {
    keys.push(namespaceKey({ db: request.toDb, coll: request.toColl }));
  }
  return session.structure.run(keys, async () => {
    session.check();
    return { changes: await applyStructure(session.destination, session.owned, request) };
  });
}

/** A `DestinationListing` in BSON. */
export async function listDestination(session: PushSession): Promise<Uint8Array> {
  session.check();
  return BSON.serialize(await listNamespaces(session.destination, session.ownedNamespaces));
}

/** @throws {PushError} MESSAGE_INVALID, NAMESPACE_REFUSED */
export function readRequest(body: Buffer): StructureRequest {
  let message: Record<string, unknown>;
  try {
    message = orderedDocument(body);
  } catch {
    throw new PushError('MESSAGE_INVALID', 'The body is not BSON.');
  }
  const action = readText(message, 'action');
  const namespace = { db: readText(message, 'db'), coll: readText(message, 'coll') };
  checkNamespace(namespace);
  switch (action) {
    case 'collection':
      return {
        action,
        ...namespace,
        options: readDocument(message, 'options'),
        indexes: readIndexes(message),
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
