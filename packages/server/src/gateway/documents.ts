import { splitSequence } from '@linkspan/contract/bson/raw.ts';
import type { BatchHeader, WriteOperation } from '@linkspan/contract/push/batch.ts';
import type { DocumentsReply } from '@linkspan/contract/push/session.ts';
import {
  bucketsOf,
  formatNamespace,
  isMigratable,
  type Namespace,
} from '@linkspan/contract/push/namespaces.ts';
import { BSON } from 'mongodb';

import { writeBatch } from '../destination/writer.ts';
import { PushError } from './errors.ts';
import { readInteger, readText } from './messages.ts';
import type { PushSession } from './session.ts';
import type { SubLease } from './subLease.ts';

const OPERATIONS = new Set<string>(['insert', 'replace', 'recreate', 'delete']);
/** The highest number of a lane, of documents or of structure. */
export const MAX_LANE = 1_000_000;

/**
 * Writes one batch in its lane. Documents are cut by their lengths only and never decoded. The
 * writing goes on to its end also when nobody waits for the answer any more.
 * @param subLease by which another host than the session's pushes: only inserts of its range's collection
 * @throws {PushError} {DestinationUnavailableError} {DestinationRefusedError}
 */
export async function pushDocuments(
  session: PushSession,
  body: Buffer,
  subLease: SubLease | null = null,
): Promise<DocumentsReply> {
  const [head, ...documents] = splitSequence(body);
  if (head === undefined) throw new PushError('MESSAGE_INVALID', 'The body is empty.');
  const { op, db, coll, buckets, lane, seq } = readHeader(head);
  checkNamespace({ db, coll });
  const write = async (): Promise<DocumentsReply> => {
    session.check();
    subLease?.check();
    if (!session.owns({ db, coll })) {
      throw new PushError(
        'NAMESPACE_NOT_CREATED',
        `${formatNamespace({ db, coll })} was not created for this migration: send its structure first.`,
      );
    }
    if (buckets === true && !(await session.hasBuckets({ db, coll }))) {
      throw new PushError(
        'NAMESPACE_REFUSED',
        `${formatNamespace({ db, coll })} is no time series that the destination keeps in buckets.`,
      );
    }
    const started = performance.now();
    const { written, duplicates, failures } = await writeBatch(session.destination, {
      op,
      ...(buckets === true ? bucketsOf({ db, coll }) : { db, coll }),
      documents,
    });
    const destinationMs = Math.round(performance.now() - started);
    return {
      written,
      duplicates,
      failures: failures.map(({ holder, ...failure }) =>
        holder === undefined ? failure : { ...failure, holder: holder.toString('base64') },
      ),
      destinationMs,
    };
  };
  if (subLease === null) return session.lanes.run(lane, seq, write);
  if (op !== 'insert' || buckets === true) {
    throw new PushError('MESSAGE_INVALID', 'op: a range is copied by inserts of documents.');
  }
  return subLease.run({ db, coll }, () => subLease.lanes.run(lane, seq, write));
}

/** @throws {PushError} NAMESPACE_REFUSED (rule C12), MESSAGE_INVALID */
export function checkNamespace(namespace: Namespace): void {
  const { db, coll } = namespace;
  // Source: MongoDB manual, "Naming restrictions".
  if (/[/\\. "$\0]/.test(db) || Buffer.byteLength(db) > 63 || /^$|\0/.test(coll)) {
    throw new PushError('MESSAGE_INVALID', `${formatNamespace(namespace)} is not a namespace.`);
  }
  if (isMigratable(namespace)) return;
  throw new PushError(
    'NAMESPACE_REFUSED',
    `${formatNamespace(namespace)} is reserved and never pushed to.`,
  );
}

function readHeader(bytes: Buffer): BatchHeader {
  let header: Record<string, unknown>;
  try {
    header = BSON.deserialize(bytes);
  } catch {
    throw new PushError('MESSAGE_INVALID', 'The header of the batch is not BSON.');
  }
  const op = readText(header, 'op');
  if (!OPERATIONS.has(op)) throw new PushError('MESSAGE_INVALID', `op: "${op}" is not known.`);
  return {
    op: op as WriteOperation,
    db: readText(header, 'db'),
    coll: readText(header, 'coll'),
    buckets: header['buckets'] === true,
    lane: readInteger(header, 'lane', 0, MAX_LANE),
    seq: readInteger(header, 'seq', 1, Number.MAX_SAFE_INTEGER),
  };
}
