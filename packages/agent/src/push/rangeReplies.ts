import type {
  RangesReply,
  RangeStanding,
  RangeState,
  SubLeaseReply,
  SubLeaseReportReply,
  TrackedTime,
} from '@linkspan/contract/push/ranges.ts';
import { deserialize, type Binary, type Document } from 'bson';

import { TransientPushError } from './transport.ts';

/** @throws {TransientPushError} for an answer that is none of the protocol's */
export function readRangesReply(answer: Buffer): RangesReply {
  const reply = read(answer);
  return {
    hosts: reply['hosts'] as number,
    copying: reply['copying'] as number,
    waitedFor: reply['waitedFor'] as bigint | null,
    ranges: (reply['ranges'] as Document[]).map((range): RangeStanding => ({
      id: range['id'] as number,
      state: range['state'] as RangeState,
      position: bytesOf(range['position']),
      documents: range['documents'] as number,
      bytes: range['bytes'] as number,
      wireBytes: range['wireBytes'] as number,
    })),
  };
}

/** @throws {TransientPushError} for an answer that is none of the protocol's */
export function readSubLeaseReply(answer: Buffer): SubLeaseReply {
  const granted = read(answer)['subLease'] as Document | null;
  if (granted === null) return { subLease: null };
  return {
    subLease: {
      id: granted['id'] as string,
      secret: granted['secret'] as string,
      sourceIdentity: granted['sourceIdentity'] as string,
      db: granted['db'] as string,
      coll: granted['coll'] as string,
      toDb: granted['toDb'] as string,
      toColl: granted['toColl'] as string,
      lower: bytesOf(granted['lower']),
      upper: bytesOf(granted['upper']),
      position: bytesOf(granted['position']),
      since: granted['since'] as bigint,
    },
  };
}

/** @throws {TransientPushError} for an answer that is none of the protocol's */
export function readReportReply(answer: Buffer): SubLeaseReportReply {
  const { tracked, copying } = read(answer);
  return { tracked: tracked as TrackedTime, copying: copying as number };
}

function read(answer: Buffer): Document {
  try {
    return deserialize(answer, { useBigInt64: true });
  } catch (error) {
    throw new TransientPushError('the answer is not one of a Linkspan server', 0, error);
  }
}

function bytesOf(value: unknown): Buffer | null {
  return value === null ? null : Buffer.from((value as Binary).value());
}
