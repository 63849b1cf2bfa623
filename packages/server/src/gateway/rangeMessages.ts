import {
  MAX_OFFERED_RANGES,
  type CopiedPrefix,
  type OfferedRange,
  type RangesRequest,
  type SubLeaseReport,
  type TakeBack,
} from '@linkspan/contract/push/ranges.ts';
import { BSON, Binary } from 'mongodb';

import { checkNamespace } from './documents.ts';
import { PushError } from './errors.ts';
import { readInteger, readText } from './messages.ts';

type Fields = Readonly<Record<string, unknown>>;

/** @throws {PushError} MESSAGE_INVALID, NAMESPACE_REFUSED (rule C12) */
export function readRanges(body: Buffer): RangesRequest {
  const message = decode(body);
  const { tracked, ranges } = message;
  if (!isFields(tracked) || typeof tracked['through'] !== 'boolean') {
    throw invalid('tracked', 'must be a document with a time and through');
  }
  if (!Array.isArray(ranges) || ranges.length > MAX_OFFERED_RANGES || !ranges.every(isFields)) {
    throw invalid('ranges', `must be an array of at most ${MAX_OFFERED_RANGES} documents`);
  }
  return {
    seq: readInteger(message, 'seq', 1, Number.MAX_SAFE_INTEGER),
    tracked: { time: readTime(tracked, 'time'), through: tracked['through'] },
    sourceIdentity: readText(message, 'sourceIdentity'),
    ranges: ranges.map(readOffer),
  };
}

/** @throws {PushError} MESSAGE_INVALID */
export function readReport(body: Buffer): SubLeaseReport {
  const message = decode(body);
  const { end, waitFor } = message;
  if (end !== null && end !== 'DONE' && end !== 'RETURNED') {
    throw invalid('end', 'must be DONE, RETURNED or null');
  }
  return {
    ...readCopied(message),
    end,
    waitFor: waitFor === null ? null : readTime(message, 'waitFor'),
  };
}

function readCopied(message: Fields): CopiedPrefix {
  const count = (field: string) => readInteger(message, field, 0, Number.MAX_SAFE_INTEGER);
  return {
    position: readKey(message, 'position'),
    documents: count('documents'),
    bytes: count('bytes'),
    wireBytes: count('wireBytes'),
  };
}

function readOffer(offer: Fields): OfferedRange {
  const target = { db: readText(offer, 'toDb'), coll: readText(offer, 'toColl') };
  checkNamespace(target);
  const { takeBack } = offer;
  if (takeBack !== null && takeBack !== 'IF_FREE' && takeBack !== 'NOW') {
    throw invalid('takeBack', 'must be IF_FREE, NOW or null');
  }
  return {
    id: readInteger(offer, 'id', 1, Number.MAX_SAFE_INTEGER),
    db: readText(offer, 'db'),
    coll: readText(offer, 'coll'),
    toDb: target.db,
    toColl: target.coll,
    lower: readKey(offer, 'lower'),
    upper: readKey(offer, 'upper'),
    position: readKey(offer, 'position'),
    since: readTime(offer, 'since'),
    takeBack: takeBack satisfies TakeBack | null,
  };
}

function readTime(message: Fields, field: string): bigint {
  const value = message[field];
  if (typeof value === 'bigint' && value >= 0n) return value;
  throw invalid(field, 'must be a cluster time as a 64-bit integer');
}

/** Raw bytes; what they hold is the hosts' business. */
function readKey(message: Fields, field: string): Buffer | null {
  const value = message[field];
  if (value === null) return null;
  if (value instanceof Binary) return Buffer.from(value.value());
  throw invalid(field, 'must be binary or null');
}

function decode(body: Buffer): Fields {
  try {
    return BSON.deserialize(body, { useBigInt64: true });
  } catch {
    throw new PushError('MESSAGE_INVALID', 'The body is not BSON.');
  }
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function invalid(field: string, why: string): PushError {
  return new PushError('MESSAGE_INVALID', `${field}: ${why}.`);
}
