import {
  BSONRegExp,
  Binary,
  Code,
  Decimal128,
  Long,
  MaxKey,
  MinKey,
  ObjectId,
  Timestamp,
  deserialize,
  serialize,
} from 'bson';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  BsonType,
  InvalidBsonError,
  composeArray,
  composeDocument,
  documentsOfArray,
  elementsOf,
  findElement,
  keyOf,
  splitSequence,
} from '../src/bson/raw.ts';

const everyType = Buffer.from(
  serialize({
    double: 1.5,
    string: 'héé',
    object: { a: { b: 1 } },
    array: [1, 'x', { y: 1 }],
    binary: new Binary(Buffer.from('abc'), 0x80),
    objectId: new ObjectId(),
    bool: true,
    date: new Date(5),
    null: null,
    regex: new BSONRegExp('^a.b', 'im'),
    code: new Code('return 1'),
    codeWithScope: new Code('return x', { x: 1 }),
    int32: 7,
    timestamp: new Timestamp({ t: 1, i: 2 }),
    int64: Long.fromString('9007199254740993'),
    decimal128: Decimal128.fromString('1.10'),
    minKey: new MinKey(),
    maxKey: new MaxKey(),
    'dotted.name': 1,
    $dollar: 1,
    _id: { nested: 'key' },
  }),
);

describe('elementsOf', () => {
  it('walks every type and ends where the document ends', () => {
    const elements = [...elementsOf(everyType)];
    expect(elements.map((element) => element.name)).toEqual(Object.keys(deserialize(everyType)));
    expect(elements.at(-1)?.end).toBe(everyType.length - 1);
  });

  it('refuses damaged bytes with one kind of error and never reads past the end', () => {
    fc.assert(
      fc.property(
        fc.nat(everyType.length - 1),
        fc.integer({ min: 0, max: 255 }),
        fc.nat(everyType.length),
        (at, byte, cut) => {
          const damaged = Buffer.from(everyType.subarray(0, cut));
          if (at < damaged.length) damaged[at] = byte;
          try {
            for (const element of elementsOf(damaged)) {
              expect(element.end).toBeLessThanOrEqual(damaged.length);
            }
          } catch (error) {
            expect(error).toBeInstanceOf(InvalidBsonError);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe('cutting and composing', () => {
  it('takes the key with the bytes it has', () => {
    expect(deserialize(keyOf(everyType))).toEqual({ _id: { nested: 'key' } });
  });

  it('finds the documents of an array as views', () => {
    const reply = Buffer.from(serialize({ firstBatch: [{ _id: 1 }, { _id: 'x' }], id: 0 }));
    const batch = findElement(reply, 'firstBatch');
    expect(batch?.type).toBe(BsonType.array);
    if (batch === undefined) throw new Error('unreachable');
    const documents = documentsOfArray(reply, batch);
    expect(documents.map((document) => deserialize(document))).toEqual([{ _id: 1 }, { _id: 'x' }]);
    expect(documents[0]?.buffer).toBe(reply.buffer);
  });

  it('refuses an array that holds anything else, or is cut short', () => {
    const reply = Buffer.from(serialize({ firstBatch: [{ _id: 1 }, 2] }));
    const batch = findElement(reply, 'firstBatch');
    if (batch === undefined) throw new Error('unreachable');
    expect(() => documentsOfArray(reply, batch)).toThrow(InvalidBsonError);
    const whole = Buffer.from(serialize({ firstBatch: [{ _id: 1 }] }));
    const array = findElement(whole, 'firstBatch');
    if (array === undefined) throw new Error('unreachable');
    whole.writeInt32LE(500, array.value + 7);
    expect(() => documentsOfArray(whole, array)).toThrow(InvalidBsonError);
  });

  it('composes documents from raw values', () => {
    const document = composeDocument([
      ['q', Buffer.from(serialize({ _id: 1 }))],
      ['limit', 1],
      ['upsert', true],
      ['list', composeArray([{ type: BsonType.null, bytes: Buffer.alloc(0) }])],
    ]);
    expect(deserialize(document)).toEqual({ q: { _id: 1 }, limit: 1, upsert: true, list: [null] });
  });

  it('splits a sequence and refuses wrong lengths', () => {
    const one = Buffer.from(serialize({ a: 1 }));
    expect(splitSequence(Buffer.concat([one, everyType]))).toEqual([one, everyType]);
    expect(splitSequence(Buffer.alloc(0))).toEqual([]);
    expect(() => splitSequence(Buffer.concat([one, everyType.subarray(0, 30)]))).toThrow(
      InvalidBsonError,
    );
    expect(() => splitSequence(Buffer.from([4, 0, 0, 0]))).toThrow(InvalidBsonError);
  });
});
