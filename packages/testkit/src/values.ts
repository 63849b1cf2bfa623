import {
  Binary,
  BSONRegExp,
  Code,
  DBRef,
  Decimal128,
  Double,
  Int32,
  Long,
  MaxKey,
  MinKey,
  ObjectId,
  serialize,
  Timestamp,
  UUID,
  type Document,
} from 'bson';

/**
 * A value of every BSON type that is not deprecated, with the edges of each; deterministic.
 * (SecantusDB stores a symbol as a string.)
 */
export function oddValues(): Map<string, unknown> {
  const long = (text: string): Long => Long.fromString(text);
  return new Map<string, unknown>([
    ['double', new Double(1.5)],
    ['doubleOfWholeNumber', new Double(1)],
    ['doubleZero', new Double(0)],
    ['doubleNegativeZero', new Double(-0)],
    ['doubleNaN', new Double(Number.NaN)],
    ['doubleInfinity', new Double(Number.POSITIVE_INFINITY)],
    ['doubleTiny', new Double(Number.MIN_VALUE)],
    ['string', 'plain'],
    ['stringEmpty', ''],
    ['stringWithNul', 'a\0b'],
    ['stringUnicode', 'ä → 日本 🚢 e\u0301'],
    ['document', { b: new Int32(1), a: new Double(1), 10: 'ten', 2: 'two' }],
    ['documentEmpty', {}],
    ['documentDotted', { 'a.b': 1, $dollar: { $deep: 1 }, '': 'empty name' }],
    ['array', [new Int32(1), 'two', [], {}, null]],
    ['binary', new Binary(Buffer.from([0, 1, 255]), 0)],
    ['binaryEmpty', new Binary(Buffer.alloc(0), 0)],
    ['binaryOld', new Binary(Buffer.from([1, 0, 0, 0, 7]), 2)],
    ['binaryUuid', new UUID('01234567-89ab-cdef-0123-456789abcdef')],
    ['binaryUuidLegacy', new Binary(Buffer.alloc(16, 3), 3)],
    ['binaryMd5', new Binary(Buffer.alloc(16, 5), 5)],
    ['binaryUser', new Binary(Buffer.from('user'), 128)],
    ['objectId', new ObjectId('0123456789abcdef01234567')],
    ['true', true],
    ['false', false],
    ['date', new Date('2026-01-02T03:04:05.678Z')],
    ['dateBefore1970', new Date(-1)],
    ['null', null],
    ['regex', new BSONRegExp('^a.*(b|c)$', 'im')],
    ['regexWithSlash', new BSONRegExp('a/b\\/', '')],
    ['code', new Code('function () { return 1; }')],
    ['codeWithScope', new Code('x', { x: new Int32(1) })],
    ['dbRef', new DBRef('things', new ObjectId('0123456789abcdef01234567'))],
    ['int32', new Int32(1)],
    ['int32Least', new Int32(-2_147_483_648)],
    ['timestamp', new Timestamp({ t: 1_700_000_000, i: 7 })],
    ['int64', long('1')],
    ['int64Greatest', long('9223372036854775807')],
    ['int64Least', long('-9223372036854775808')],
    ['decimal', Decimal128.fromString('1')],
    ['decimalTrailingZeros', Decimal128.fromString('1.000')],
    ['decimalNaN', Decimal128.fromString('NaN')],
    ['decimalGreatest', Decimal128.fromString('9.999999999999999999999999999999999E+6144')],
    ['minKey', new MinKey()],
    ['maxKey', new MaxKey()],
  ]);
}

/**
 * `_id`s of every type that a server accepts, all of them different to it (SecantusDB takes binaries
 * of different subtypes for equal).
 */
export function oddIds(): unknown[] {
  return [
    new MinKey(),
    null,
    new Double(Number.NaN),
    new Double(Number.NEGATIVE_INFINITY),
    new Int32(-5),
    new Double(0.5),
    new Int32(1),
    new Double(2),
    Long.fromString('3'),
    Decimal128.fromString('4.0'),
    Long.fromString('9223372036854775807'),
    new Double(Number.POSITIVE_INFINITY),
    '',
    'a',
    'A',
    'ä 日本 🚢',
    'x'.repeat(500),
    {},
    { a: new Int32(1), b: new Int32(2) },
    { b: new Int32(2), a: new Int32(1) },
    { nested: { $id: 1 } },
    // An object would put the name that looks like a number first.
    new Map([
      ['z', new Int32(1)],
      ['10', new Int32(2)],
    ]),
    new Binary(Buffer.from([1, 2, 3]), 0),
    new Binary(Buffer.from([1, 2, 4]), 128),
    new UUID('01234567-89ab-cdef-0123-456789abcdef'),
    new ObjectId('0123456789abcdef01234567'),
    false,
    true,
    new Date(0),
    new Date(-1),
    new Timestamp({ t: 1_700_000_000, i: 1 }),
    new MaxKey(),
  ];
}

/**
 * One document for every odd `_id`, each of which holds every odd value under its name. Insert them
 * with `forceServerObjectId: true`, or the driver replaces the `_id` that is null.
 */
export function oddDocuments(): Document[] {
  const values = Object.fromEntries(oddValues());
  return oddIds().map((_id, index) => ({ _id, index: new Int32(index), ...values }));
}

/** The bytes of a document as a server stores it. */
export function rawOf(document: Document): Buffer {
  return Buffer.from(serialize(document, { ignoreUndefined: false }));
}
