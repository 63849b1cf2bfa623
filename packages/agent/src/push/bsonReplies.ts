import type { DigestReply, KeyDigestReply } from '@linkspan/contract/push/digest.ts';
import { deserialize, type Binary, type Document } from 'bson';

import { TransientPushError } from './transport.ts';

/**
 * Values keep their number types, by which options and indexes are compared.
 * @throws {TransientPushError} for an answer that is none of the protocol's
 */
export function readBson(answer: Buffer, path: string): Document {
  try {
    return deserialize(answer, { promoteValues: false });
  } catch (error) {
    throw new TransientPushError(`the answer to ${path} is not one of a Linkspan server`, 0, error);
  }
}

export function readDigestReply(answer: Buffer): DigestReply {
  const reply = readBson(answer, 'digest');
  return {
    cursor: reply['cursor'] as string | null,
    count: Number(reply['count']),
    equal: reply['equal'] as boolean,
    documents: describedOf(reply),
  };
}

export function readKeyDigestReply(answer: Buffer): KeyDigestReply {
  return { documents: describedOf(readBson(answer, 'keyDigests')) };
}

function describedOf({ documents }: Document): DigestReply['documents'] {
  return (documents as { key: Binary; hash: Binary }[]).map(({ key, hash }) => ({
    key: key.value(),
    hash: hash.value(),
  }));
}
