import type { DigestRequest } from '@linkspan/contract/push/digest.ts';
import { formatNamespace } from '@linkspan/contract/push/namespaces.ts';
import { BSON, Binary } from 'mongodb';

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
  session.check();
  if (!session.owns(request)) {
    throw new PushError(
      'NAMESPACE_NOT_CREATED',
      `${formatNamespace(request)} was not created for this migration.`,
    );
  }
  return session.digests.next(request);
}

function readRequest(body: Buffer): DigestRequest {
  let message: Record<string, unknown>;
  try {
    message = BSON.deserialize(body, { promoteBuffers: false });
  } catch {
    throw new PushError('MESSAGE_INVALID', 'The body is not BSON.');
  }
  const namespace = { db: readText(message, 'db'), coll: readText(message, 'coll') };
  checkNamespace(namespace);
  const { expect } = message;
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
    cursor: message['cursor'] === null ? null : readText(message, 'cursor'),
    limit: readInteger(message, 'limit', 1, MAX_CHUNK_DOCUMENTS),
    expect: expect === null ? null : expect.value(),
  };
}
