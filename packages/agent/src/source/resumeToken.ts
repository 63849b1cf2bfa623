import { BsonType, elementsOf, findElement } from '@linkspan/contract/bson/raw.ts';
import type { ClusterTime } from '../journal/clusterTime.ts';

/** Starts the key string of a mongod's token: type "timestamp", then eight bytes, big-endian. */
const TIMESTAMP_TAG = 0x82;

/** The token's type in a key string, where 0 (high-water mark) is written so. */
const HIGH_WATER_MARK_TYPE = '29';

/** What a resume token tells of its place in the stream. */
export interface TokenPlace {
  readonly time: ClusterTime;
  /** It stands for a time and not for an event: everything up to that time has been seen. */
  readonly highWaterMark: boolean;
}

/**
 * Reads the time out of a resume token, or undefined where its form is not known. Tokens are opaque
 * to clients; two forms are known and anything else is treated as telling nothing:
 * - mongod since 4.0.7: a key string in hex in `_data`. Source: MongoDB's source,
 *   `src/mongo/db/pipeline/resume_token.cpp`; also decoded by Debezium and by Percona's tools.
 * - SecantusDB 0.7: a BSON document in hex in `_data`, its `t` a timestamp, its `n` the namespace
 *   (`admin.$cmd.aggregate` for one that names no event).
 *
 * @param token the token's document, raw
 */
export function placeOfToken(token: Buffer): TokenPlace | undefined {
  const data = findElement(token, '_data');
  if (data?.type !== BsonType.string) return undefined;
  const hex = token.toString('latin1', data.value + 4, data.end - 1);
  if (!/^[0-9a-fA-F]{18,}$/.test(hex)) return undefined;
  const bytes = Buffer.from(hex, 'hex');
  return bytes[0] === TIMESTAMP_TAG ? placeOfKeyString(bytes, hex) : placeOfDocument(bytes);
}

function placeOfKeyString(bytes: Buffer, hex: string): TokenPlace {
  const time = bytes.readBigUInt64BE(1);
  // 82 and the timestamp; 2b and the version (02 or 04); then the type: 29, or 2c0100 for an event.
  return { time, highWaterMark: hex.slice(22, 24) === HIGH_WATER_MARK_TYPE };
}

function placeOfDocument(bytes: Buffer): TokenPlace | undefined {
  try {
    let time: ClusterTime | undefined;
    let highWaterMark = false;
    for (const element of elementsOf(bytes)) {
      if (element.name === 't' && element.type === BsonType.timestamp) {
        time = bytes.readBigUInt64LE(element.value);
      }
      if (element.name === 'n' && element.type === BsonType.string) {
        highWaterMark = bytes.toString('utf8', element.value + 4, element.end - 1).includes('$cmd');
      }
    }
    return time === undefined ? undefined : { time, highWaterMark };
  } catch {
    return undefined;
  }
}
