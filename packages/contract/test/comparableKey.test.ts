import { Decimal128, Double, Int32, Long, type Document, serialize } from 'bson';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { comparableKey, hasString, laneOf } from '../src/bson/comparableKey.ts';

const key = (value: unknown): string =>
  comparableKey(Buffer.from(serialize({ _id: value } as Document))).toString('hex');

describe('comparableKey', () => {
  it('D13: gives numbers of one value one key, whatever their type', () => {
    const one = key(new Int32(1));
    expect(key(new Double(1))).toBe(one);
    expect(key(Long.fromNumber(1))).toBe(one);
    expect(key(Decimal128.fromString('1'))).toBe(one);
    expect(key(Decimal128.fromString('1.000'))).toBe(one);
    expect(key(Decimal128.fromString('0.1E+1'))).toBe(one);
    expect(key(new Double(0.5))).toBe(key(Decimal128.fromString('0.5')));
    expect(key(new Double(-0))).toBe(key(new Int32(0)));
    expect(key(Decimal128.fromString('-0.00'))).toBe(key(new Int32(0)));
    expect(key(new Double(Number.NaN))).toBe(key(Decimal128.fromString('NaN')));
    expect(key(new Double(1e300))).toBe(key(new Double(1e300)));
  });

  it('tells numbers apart that a conversion to double would merge', () => {
    expect(key(Long.fromString('9007199254740993'))).not.toBe(key(new Double(9007199254740992)));
    expect(key(Decimal128.fromString('0.1'))).not.toBe(key(new Double(0.1)));
    expect(key(new Double(5e-324))).not.toBe(key(new Double(1e-323)));
  });

  it('compares inside embedded documents, in the order of their fields', () => {
    expect(key({ a: new Int32(1), b: 'x' })).toBe(key({ a: new Double(1), b: 'x' }));
    expect(key({ a: 1, b: 2 })).not.toBe(key({ b: 2, a: 1 }));
    expect(key({ a: { b: 1 } })).not.toBe(key({ a: 1, b: 1 }));
  });

  it('keeps types apart that compare differently', () => {
    const values = ['1', 1, true, new Date(1), null, { a: 1 }, Buffer.from('1')];
    expect(new Set(values.map(key)).size).toBe(values.length);
  });

  it('agrees with exact comparison for any pair of an int64 and a double', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
        fc.double(),
        (int, dbl) => {
          const equal = Number.isInteger(dbl) && BigInt(dbl) === int;
          expect(key(Long.fromBigInt(int)) === key(new Double(dbl))).toBe(equal);
          if (Math.abs(Number(int)) < 2 ** 53) {
            expect(key(Long.fromBigInt(int))).toBe(key(new Double(Number(int))));
          }
        },
      ),
    );
  });

  it('finds strings at any depth', () => {
    expect(hasString(Buffer.from(serialize({ _id: { a: [1, { b: 'x' }] } })))).toBe(true);
    expect(hasString(Buffer.from(serialize({ _id: { a: [1, { b: 2 }] } })))).toBe(false);
  });

  it('spreads keys over the lanes', () => {
    const lanes = new Set<number>();
    for (let i = 0; i < 200; i += 1) {
      lanes.add(laneOf(comparableKey(Buffer.from(serialize({ _id: i }))), 4));
    }
    expect(lanes).toEqual(new Set([0, 1, 2, 3]));
  });
});
