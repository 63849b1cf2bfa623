import { isExact } from '@linkspan/contract/bson/ordered.ts';
import { asBuffer, keyOf } from '@linkspan/contract/bson/raw.ts';
import type { DigestRequest, KeyDigestRequest } from '@linkspan/contract/push/digest.ts';
import { bucketsOf, formatNamespace, type Namespace } from '@linkspan/contract/push/namespaces.ts';
import { BSON, Binary } from 'mongodb';

import { digestKeys } from '../destination/digest.ts';
import { checkNamespace } from './documents.ts';
import { PushError } from './errors.ts';
import { readInteger, readText } from './messages.ts';
import type { PushSession } from './session.ts';

const MAX_CHUNK_DOCUMENTS = 10_000;
const HASH_BYTES = 16;

/**
 * Answers one step of a verification walk with a `DigestReply` in BSON.
 * @throws {PushError} {DigestCursorLostError} {DestinationUnavailableError}
 */
export async function readDigest(session: PushSession, body: Buffer): Promise<Buffer> {
  const request = readRequest(body);
  checkOwned(session, request);
  return session.digests.next(named(request));
}

/**
 * Answers with a `KeyDigestReply` in BSON.
 * @throws {PushError} {DestinationUnavailableError} {DestinationRefusedError}
 */
export async function readKeyDigests(session: PushSession, body: Buffer): Promise<Buffer> {
  const request = readKeys(body);
  checkOwned(session, request);
  return digestKeys(session.destination, named(request));
}

/** Where that is at the destination: buckets are beside their time series (rule D20). */
function named<T extends Namespace & { readonly buckets?: boolean }>(request: T): T {
  return request.buckets === true ? { ...request, ...bucketsOf(request) } : request;
}

function checkOwned(session: PushSession, namespace: Namespace): void {
  session.check();
  if (!session.owns(namespace)) {
    throw new PushError(
      'NAMESPACE_NOT_CREATED',
      `${formatNamespace(namespace)} was not created for this migration.`,
    );
  }
}

function decode(body: Buffer): { message: Record<string, unknown>; namespace: Namespace } {
  let message: Record<string, unknown>;
  try {
    message = BSON.deserialize(body, { promoteBuffers: false });
  } catch {
    throw new PushError('MESSAGE_INVALID', 'The body is not BSON.');
  }
  const namespace = { db: readText(message, 'db'), coll: readText(message, 'coll') };
  checkNamespace(namespace);
  return { message, namespace };
}

function readRequest(body: Buffer): DigestRequest {
  const { message, namespace } = decode(body);
  const { expect, after = null } = message;
  if (!(expect === null || (expect instanceof Binary && expect.length() === HASH_BYTES))) {
    throw new PushError('MESSAGE_INVALID', `expect: must be null or ${HASH_BYTES} bytes.`);
  }
  const { order } = message;
  if (order !== undefined && order !== 'natural') {
    throw new PushError('MESSAGE_INVALID', 'order: must be natural, or absent.');
  }
  return {
    ...namespace,
    ...(order === undefined ? {} : { order }),
    buckets: message['buckets'] === true,
    cursor: message['cursor'] === null ? null : readText(message, 'cursor'),
    limit: readInteger(message, 'limit', 1, MAX_CHUNK_DOCUMENTS),
    expect: expect === null ? null : expect.value(),
    after: after === null ? null : readKey(after, 'after'),
  };
}

function readKeys(body: Buffer): KeyDigestRequest {
  const { message, namespace } = decode(body);
  const { keys } = message;
  if (!Array.isArray(keys) || keys.length === 0 || keys.length > MAX_CHUNK_DOCUMENTS) {
    throw new PushError(
      'MESSAGE_INVALID',
      `keys: must be an array of 1 to ${MAX_CHUNK_DOCUMENTS} keys.`,
    );
  }
  const buckets = message['buckets'] === true;
  return { ...namespace, buckets, keys: keys.map((key: unknown) => readKey(key, 'keys')) };
}

/** The bytes of a whole `{_id: …}` that a command can name. */
function readKey(value: unknown, field: string): Uint8Array {
  try {
    if (value instanceof Binary) {
      const bytes = asBuffer(value.value());
      if (keyOf(bytes).equals(bytes) && isExact(bytes)) return bytes;
    }
  } catch {
    // Not a document: the same answer.
  }
  throw new PushError(
    'MESSAGE_INVALID',
    `${field}: must hold documents of an _id alone, as bytes.`,
  );
}
