import { BsonType, type RawElement, elementsOf, findElement } from '@linkspan/contract/bson/raw.ts';
import { orderedDocument } from '@linkspan/contract/bson/ordered.ts';
import type { Namespace } from '@linkspan/contract/push/namespaces.ts';
import { type ClusterTime, NO_TIME } from '../journal/clusterTime.ts';
import { capOf } from './capped.ts';

/** A change event, with what the projection keeps of it (rule D1). */
export interface ChangeEvent {
  readonly type: string;
  /** The event's resume token, a raw document: unique for each event. */
  readonly token: Buffer;
  readonly time: ClusterTime;
  /** For database events `coll` is empty. */
  readonly namespace: Namespace;
  readonly to: Namespace | null;
  /** Raw; for changes of documents. */
  readonly documentKey: Buffer | null;
  /** Hex; null from sources before 6.0. */
  readonly uuid: string | null;
  /** `create` of a view or a time series carries these in its description. */
  readonly createdType: 'collection' | 'view';
  /** What caps a collection that was created (`capOf`), or null. */
  readonly createdCap: string | null;
}

/** Fields that the stream is asked for. The documents themselves are never in it. */
export const EVENT_PROJECTION = {
  _id: 1,
  operationType: 1,
  ns: 1,
  to: 1,
  documentKey: 1,
  clusterTime: 1,
  collectionUUID: 1,
  operationDescription: 1,
};

/** Changes of one document. */
export const DOCUMENT_EVENTS: ReadonlySet<string> = new Set([
  'insert',
  'update',
  'replace',
  'delete',
]);

/**
 * Events that mean nothing for a migration (rule D4). Anything that is neither here nor known to the
 * tracker makes it list the source again.
 */
export const IGNORED_EVENTS: ReadonlySet<string> = new Set([
  'endOfTransaction',
  'migrateChunkToNewShard',
  'migrateLastChunkFromShard',
  'reshardBegin',
  'reshardBlockingWrites',
  'reshardDoneCatchUp',
  'shardCollection',
  'refineCollectionShardKey',
  'reshardCollection',
  'startIndexBuild',
]);

/** Decodes what is needed of a raw event; the document key stays raw. */
export function parseEvent(raw: Buffer): ChangeEvent {
  let type = '';
  let token: Buffer = Buffer.alloc(0);
  let time = NO_TIME;
  let namespace: Namespace = { db: '', coll: '' };
  let to: Namespace | null = null;
  let documentKey: Buffer | null = null;
  let uuid: string | null = null;
  let createdType: ChangeEvent['createdType'] = 'collection';
  let createdCap: string | null = null;
  for (const element of elementsOf(raw)) {
    switch (element.name) {
      case '_id':
        token = raw.subarray(element.value, element.end);
        break;
      case 'operationType':
        type = textOf(raw, element);
        break;
      case 'clusterTime':
        time = raw.readBigUInt64LE(element.value);
        break;
      case 'ns':
        namespace = namespaceOf(raw, element);
        break;
      case 'to':
        to = namespaceOf(raw, element);
        break;
      case 'documentKey':
        documentKey = raw.subarray(element.value, element.end);
        break;
      case 'collectionUUID':
        // A binary value: length, subtype, then the sixteen bytes.
        uuid = raw.toString('hex', element.value + 5, element.end);
        break;
      case 'operationDescription':
        if (findElement(raw, 'viewOn', element.value) !== undefined) createdType = 'view';
        createdCap = capOf(orderedDocument(raw, element.value));
        break;
    }
  }
  return { type, token, time, namespace, to, documentKey, uuid, createdType, createdCap };
}

function textOf(raw: Buffer, element: RawElement): string {
  return raw.toString('utf8', element.value + 4, element.end - 1);
}

function namespaceOf(raw: Buffer, element: RawElement): Namespace {
  const field = (name: string): string => {
    const found = findElement(raw, name, element.value);
    return found?.type === BsonType.string ? textOf(raw, found) : '';
  };
  return { db: field('db'), coll: field('coll') };
}
