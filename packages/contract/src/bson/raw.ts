/**
 * Reading BSON without decoding it: documents pass through Linkspan byte for byte, and only the few
 * fields that it needs are looked at where they lie. Layout: bsonspec.org, version 1.1.
 */

/** BSON element types, by the names of the specification. */
export const BsonType = {
  double: 0x01,
  string: 0x02,
  object: 0x03,
  array: 0x04,
  binary: 0x05,
  undefined: 0x06,
  objectId: 0x07,
  bool: 0x08,
  date: 0x09,
  null: 0x0a,
  regex: 0x0b,
  dbPointer: 0x0c,
  code: 0x0d,
  symbol: 0x0e,
  codeWithScope: 0x0f,
  int32: 0x10,
  timestamp: 0x11,
  int64: 0x12,
  decimal128: 0x13,
  maxKey: 0x7f,
  minKey: 0xff,
} as const;

/** One element of a document: offsets into the buffer that it was found in. */
export interface RawElement {
  readonly type: number;
  readonly name: string;
  /** Offset of the type byte. */
  readonly start: number;
  /** Offset of the value. */
  readonly value: number;
  /** Offset after the value. */
  readonly end: number;
}

/** Thrown where bytes are not a BSON document. */
export class InvalidBsonError extends Error {
  override readonly name = 'InvalidBsonError';
}

const FIXED_SIZES: Readonly<Record<number, number>> = {
  [BsonType.double]: 8,
  [BsonType.undefined]: 0,
  [BsonType.objectId]: 12,
  [BsonType.bool]: 1,
  [BsonType.date]: 8,
  [BsonType.null]: 0,
  [BsonType.int32]: 4,
  [BsonType.timestamp]: 8,
  [BsonType.int64]: 8,
  [BsonType.decimal128]: 16,
  [BsonType.maxKey]: 0,
  [BsonType.minKey]: 0,
};

/** A view of bytes as a Buffer, without a copy. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * The elements of the document that starts at `offset`, in order.
 * @throws {InvalidBsonError}
 */
export function* elementsOf(raw: Buffer, offset = 0): Generator<RawElement, void> {
  if (offset + 5 > raw.length) throw new InvalidBsonError('a BSON document is cut short');
  const end = offset + raw.readInt32LE(offset) - 1;
  if (end < offset + 4 || end >= raw.length || raw[end] !== 0) {
    throw new InvalidBsonError('a BSON document has a wrong length');
  }
  let at = offset + 4;
  while (at < end) {
    const start = at;
    const type = raw[at] as number;
    const nameEnd = raw.indexOf(0, at + 1);
    if (nameEnd === -1 || nameEnd >= end)
      throw new InvalidBsonError('a BSON field name is cut short');
    const value = nameEnd + 1;
    at = value + valueSize(raw, type, value, end);
    if (at > end) throw new InvalidBsonError('a BSON value is cut short');
    yield { type, name: raw.toString('utf8', start + 1, nameEnd), start, value, end: at };
  }
}

function valueSize(raw: Buffer, type: number, at: number, limit: number): number {
  const fixed = FIXED_SIZES[type];
  if (fixed !== undefined) return fixed;
  if (type === BsonType.regex) {
    const pattern = raw.indexOf(0, at);
    const options = pattern === -1 ? -1 : raw.indexOf(0, pattern + 1);
    if (options === -1) throw new InvalidBsonError('a BSON regular expression is cut short');
    return options + 1 - at;
  }
  if (at + 4 > limit) throw new InvalidBsonError('a BSON value is cut short');
  const length = raw.readInt32LE(at);
  if (length < 0) throw new InvalidBsonError('a BSON value has a negative length');
  switch (type) {
    case BsonType.string:
    case BsonType.code:
    case BsonType.symbol:
      return 4 + length;
    case BsonType.object:
    case BsonType.array:
    case BsonType.codeWithScope:
      return length;
    case BsonType.binary:
      return 5 + length;
    case BsonType.dbPointer:
      return 4 + length + 12;
    default:
      throw new InvalidBsonError(`a BSON value has the unknown type 0x${type.toString(16)}`);
  }
}

/** The first element of that name, or undefined. */
export function findElement(raw: Buffer, name: string, offset = 0): RawElement | undefined {
  for (const element of elementsOf(raw, offset)) if (element.name === name) return element;
  return undefined;
}

/**
 * The documents of an array of documents, as views of the same memory. Names of the elements are passed
 * over: they only count.
 * @throws {InvalidBsonError}
 */
export function documentsOfArray(raw: Buffer, array: RawElement): Buffer[] {
  const documents: Buffer[] = [];
  const end = array.end - 1;
  let at = array.value + 4;
  while (at < end) {
    if (raw[at] !== BsonType.object) {
      throw new InvalidBsonError('an array holds something that is not a document');
    }
    const start = raw.indexOf(0, at + 1) + 1;
    if (start === 0 || start + 5 > end) throw new InvalidBsonError('an array is cut short');
    const length = raw.readInt32LE(start);
    if (length < 5 || start + length > end) throw new InvalidBsonError('an array is cut short');
    documents.push(raw.subarray(start, start + length));
    at = start + length;
  }
  return documents;
}

/** `{_id: <value>}` with the bytes of the document's own `_id`. */
export function keyOf(document: Buffer): Buffer {
  const id = findElement(document, '_id');
  if (id === undefined) throw new InvalidBsonError('a document has no _id');
  return wrapElement(document, id);
}

/** A document with that one element. */
export function wrapElement(raw: Buffer, element: RawElement): Buffer {
  const size = element.end - element.start;
  const wrapped = Buffer.allocUnsafe(size + 5);
  wrapped.writeInt32LE(size + 5, 0);
  raw.copy(wrapped, 4, element.start, element.end);
  wrapped[size + 4] = 0;
  return wrapped;
}

/** A document made of fields whose values are documents already in BSON, or int32 and bool. */
export function composeDocument(
  fields: readonly (readonly [name: string, value: Buffer | number | boolean | RawValue])[],
): Buffer {
  const parts: Buffer[] = [Buffer.alloc(4)];
  for (const [name, value] of fields) {
    const { type, bytes } = encodeValue(value);
    parts.push(Buffer.from([type]), Buffer.from(`${name}\0`, 'utf8'), bytes);
  }
  parts.push(Buffer.from([0]));
  const document = Buffer.concat(parts);
  document.writeInt32LE(document.length, 0);
  return document;
}

/** A value with its type, as it stands in a document. */
export interface RawValue {
  readonly type: number;
  readonly bytes: Buffer;
}

function encodeValue(value: Buffer | number | boolean | RawValue): RawValue {
  if (Buffer.isBuffer(value)) return { type: BsonType.object, bytes: value };
  if (typeof value === 'number') {
    const bytes = Buffer.allocUnsafe(4);
    bytes.writeInt32LE(value);
    return { type: BsonType.int32, bytes };
  }
  if (typeof value === 'boolean') {
    return { type: BsonType.bool, bytes: Buffer.from([value ? 1 : 0]) };
  }
  return value;
}

/** `[<document>, …]` as the bytes of an array, for instance for `$in`. */
export function composeArray(values: readonly RawValue[]): RawValue {
  return {
    type: BsonType.array,
    bytes: composeDocument(values.map((value, index) => [String(index), value] as const)),
  };
}

/**
 * Cuts concatenated documents (the shape of an OP_MSG document sequence), as views.
 * @throws {InvalidBsonError} if a length does not fit
 */
export function splitSequence(bytes: Buffer): Buffer[] {
  const documents: Buffer[] = [];
  let at = 0;
  while (at < bytes.length) {
    if (at + 5 > bytes.length) throw new InvalidBsonError('a document sequence is cut short');
    const length = bytes.readInt32LE(at);
    if (length < 5 || at + length > bytes.length || bytes[at + length - 1] !== 0) {
      throw new InvalidBsonError('a document sequence holds a document with a wrong length');
    }
    documents.push(bytes.subarray(at, at + length));
    at += length;
  }
  return documents;
}
