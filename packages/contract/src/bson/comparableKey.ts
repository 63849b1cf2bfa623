import { Decimal128 } from 'bson';
import { BsonType, elementsOf } from './raw.ts';

/**
 * The key of a document in a form that is the same for all keys that MongoDB's comparison calls
 * equal, and differs for all others: `1`, `1.0` and `NumberDecimal("1.0")` give the same bytes
 * (rules D13, D15). Collations are not applied: strings that only a collation calls equal differ.
 * Source: MongoDB manual, "BSON comparison order"; numbers compare by exact value across types,
 * strings and symbols compare alike.
 *
 * @param key a document such as `{_id: …}`, raw
 */
export function comparableKey(key: Buffer): Buffer {
  const parts: Buffer[] = [];
  appendDocument(parts, key, 0);
  return Buffer.concat(parts);
}

/** True if a string lies anywhere in the key: such keys may be equal under a collation. */
export function hasString(key: Buffer, offset = 0): boolean {
  for (const element of elementsOf(key, offset)) {
    if (element.type === BsonType.string || element.type === BsonType.symbol) return true;
    if (element.type === BsonType.object || element.type === BsonType.array) {
      if (hasString(key, element.value)) return true;
    }
  }
  return false;
}

/** Spreads comparable keys over lanes: FNV-1a, 32 bits. */
export function laneOf(comparable: Buffer, lanes: number): number {
  let hash = 0x811c9dc5;
  for (const byte of comparable) hash = Math.imul(hash ^ byte, 0x01000193);
  return (hash >>> 0) % lanes;
}

const NUMBER_TAG = 0x01;
const STRING_TAG = 0x02;

function appendDocument(parts: Buffer[], raw: Buffer, offset: number): void {
  for (const element of elementsOf(raw, offset)) {
    parts.push(Buffer.from(`${element.name}\0`, 'utf8'));
    switch (element.type) {
      case BsonType.double:
      case BsonType.int32:
      case BsonType.int64:
      case BsonType.decimal128:
        parts.push(
          Buffer.from(`${String.fromCharCode(NUMBER_TAG)}${canonicalNumber(raw, element)}\0`),
        );
        break;
      case BsonType.string:
      case BsonType.symbol:
        parts.push(Buffer.from([STRING_TAG]), raw.subarray(element.value, element.end));
        break;
      case BsonType.object:
      case BsonType.array:
        parts.push(Buffer.from([element.type]));
        appendDocument(parts, raw, element.value);
        break;
      default:
        parts.push(Buffer.from([element.type]), raw.subarray(element.value, element.end));
    }
  }
  parts.push(Buffer.from([0]));
}

/** `<digits>e<exponent>` without trailing zeros in the digits: one text for one exact value. */
function canonicalNumber(raw: Buffer, element: { type: number; value: number }): string {
  switch (element.type) {
    case BsonType.int32:
      return canonicalInteger(BigInt(raw.readInt32LE(element.value)));
    case BsonType.int64:
      return canonicalInteger(raw.readBigInt64LE(element.value));
    case BsonType.double:
      return canonicalDouble(raw.readDoubleLE(element.value));
    default:
      return canonicalDecimal(
        new Decimal128(Uint8Array.from(raw.subarray(element.value, element.value + 16))).toString(),
      );
  }
}

function canonicalInteger(value: bigint, exponent = 0): string {
  if (value === 0n) return '0e0';
  let digits = value;
  let power = exponent;
  while (digits % 10n === 0n) {
    digits /= 10n;
    power += 1;
  }
  return `${digits}e${power}`;
}

function canonicalDouble(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? 'Infinity' : '-Infinity';
  if (Number.isInteger(value)) return canonicalInteger(BigInt(value));
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  const bits = view.getBigUint64(0);
  const biased = Number((bits >> 52n) & 0x7ffn);
  const fraction = bits & 0xfffffffffffffn;
  const mantissa = biased === 0 ? fraction : fraction | 0x10000000000000n;
  const exponent = (biased === 0 ? 1 : biased) - 1075;
  const signed = value < 0 ? -mantissa : mantissa;
  // Not an integer, so the exponent is negative: m · 2^e = m · 5^-e · 10^e.
  return canonicalInteger(signed * 5n ** BigInt(-exponent), exponent);
}

function canonicalDecimal(text: string): string {
  if (text === 'NaN' || text === 'Infinity' || text === '-Infinity') return text;
  const match = /^(-?)(\d+)(?:\.(\d+))?(?:E([+-]?\d+))?$/.exec(text);
  if (match === null) throw new Error(`not a decimal number: ${text}`);
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = match;
  return canonicalInteger(BigInt(`${sign}${whole}${fraction}`), Number(exponent) - fraction.length);
}
