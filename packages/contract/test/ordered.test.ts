import { Double, Int32, Long, serialize } from 'bson';
import { expect, test } from 'vitest';
import { fieldsOf, isExact, orderedDocument } from '../src/bson/ordered.ts';

const rawOf = (document: object): Buffer => Buffer.from(serialize(document));

test('the order of fields and the types of values are kept, also below the top', () => {
  const inner = new Map<string, unknown>([
    ['z', new Int32(1)],
    ['5', new Double(1)],
    ['list', [new Map([['2', 'b']]), new Map([['1', 'a']])]],
    ['$ref', 'a field, and not half a reference'],
  ]);
  const raw = rawOf({ inner, long: Long.fromNumber(1) });
  const decoded = orderedDocument(raw);
  expect(rawOf(decoded)).toEqual(raw);
  expect(isExact(raw)).toBe(true);
  expect(fieldsOf(decoded['inner']).map(([name]) => name)).toEqual(['z', '5', 'list', '$ref']);
  expect(fieldsOf(decoded['long'])).toEqual([]);
});

test('a name that means something to JavaScript is a field like any other', () => {
  const raw = rawOf(new Map([['__proto__', { polluted: true }]]));
  expect(Object.keys(orderedDocument(raw))).toEqual(['__proto__']);
  expect('polluted' in orderedDocument(raw)).toBe(false);
});

/** The first byte of a field's name is given; the byte before it is the type of the value. */
function retyped(raw: Buffer, name: string, type: number): Buffer {
  const changed = Buffer.from(raw);
  changed[changed.indexOf(`${name}\0`) - 1] = type;
  return changed;
}

test('what JavaScript or its driver would change is not exact', () => {
  const text = rawOf({ text: '~' });
  text[text.indexOf('~')] = 0xff;
  expect(isExact(text), 'a string that is not UTF-8').toBe(false);
  const far = rawOf({ far: Long.MAX_VALUE });
  expect(isExact(retyped(far, 'far', 0x09)), 'a date of the far future').toBe(false);
  expect(isExact(retyped(rawOf({ none: null }), 'none', 0x06)), 'undefined').toBe(false);
  const twice = rawOf({ _id: { a: 1, b: 2 } });
  twice[twice.indexOf('b\0')] = 'a'.charCodeAt(0);
  expect(isExact(twice), 'one name twice').toBe(false);
  expect(isExact(rawOf({ ref: { $ref: 'c', $id: new Int32(1) } }))).toBe(true);
});
