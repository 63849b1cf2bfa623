import { deserialize, serialize, type Document } from 'bson';
import { BsonType, type RawElement, elementsOf, wrapElement } from './raw.ts';

/** Numbers, regular expressions, symbols and binaries come as objects of their BSON types. */
const EXACT = {
  promoteValues: false,
  promoteLongs: false,
  promoteBuffers: false,
  bsonRegExp: true,
  validation: { utf8: false },
} as const;

/**
 * Decodes a document so that encoding it again gives the same bytes (see {@link isExact}). Documents in
 * it become maps, which keep the order of their fields: objects of JavaScript put names that are whole
 * numbers first, and the order of the fields of an index is its meaning. At the top stands an object,
 * for names that are known.
 *
 * @param offset where the document starts
 * @throws {InvalidBsonError}
 */
export function orderedDocument(raw: Buffer, offset = 0): Document {
  return Object.fromEntries(
    [...elementsOf(raw, offset)].map((element) => [element.name, orderedValue(raw, element)]),
  );
}

/** A raw key for a command: `_id` alone, which is the whole key on a replica set. */
export function keyForCommand(key: Buffer): { _id: unknown } {
  return { _id: orderedDocument(key)['_id'] ?? null };
}

/** One value, decoded so. */
export function orderedValue(raw: Buffer, element: RawElement): unknown {
  if (element.type === BsonType.object) {
    const fields = [...elementsOf(raw, element.value)];
    return new Map(fields.map((field) => [field.name, orderedValue(raw, field)]));
  }
  if (element.type === BsonType.array) {
    return [...elementsOf(raw, element.value)].map((item) => orderedValue(raw, item));
  }
  const [value] = Object.values(deserialize(wrapElement(raw, element), EXACT));
  return value;
}

/**
 * True if what is decoded can be sent as it was: not so for strings that are not UTF-8, dates beyond
 * JavaScript's, and values of types that only old drivers wrote (undefined, DBPointer).
 */
export function isExact(raw: Buffer): boolean {
  try {
    const fields = [...elementsOf(raw)].map(
      (element) => [element.name, orderedValue(raw, element)] as const,
    );
    return raw.equals(serialize(new Map(fields)));
  } catch {
    return false;
  }
}

/** The fields of a document that is a map or an object, in their order; none of anything else. */
export function fieldsOf(value: unknown): [name: string, value: unknown][] {
  if (value instanceof Map) return [...(value as Map<string, unknown>)];
  return isDocument(value) ? Object.entries(value) : [];
}

/** True for what is a document in BSON, and no value of another type. */
export function isDocument(value: unknown): value is Document {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Date) &&
    !('_bsontype' in value)
  );
}
