import { BSON, type Document } from 'mongodb';

/** Numbers, regular expressions and binaries come as objects of their BSON types. */
export const EXACT_VALUES = {
  promoteValues: false,
  promoteLongs: false,
  promoteBuffers: false,
  bsonRegExp: true,
} as const;

/** Decodes BSON so that encoding it again gives the same bytes. */
export function decodeExactly(bytes: Uint8Array): Document {
  return BSON.deserialize(bytes, EXACT_VALUES);
}
