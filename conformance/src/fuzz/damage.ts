import fc from 'fast-check';

/** Bytes as text: one character a byte, so that requests can be printed and repeated. */
export function toByteText(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** Values that some program or other has stumbled over. */
const STRANGE: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1e308,
  2 ** 53,
  -0.5,
  '',
  ' ',
  '\u0000',
  'a\u0000b',
  '\ud800',
  '\udfff\ud800',
  '\ufeff',
  '\u202e',
  '%s%s%n',
  '${7*7}',
  "' OR 1=1 --",
  '<script>alert(1)</script>',
  '../../../etc/passwd',
  'A'.repeat(5000),
  '𝒳'.repeat(300),
  [],
  [[]],
  {},
  [null],
  { $ne: null },
  { length: -1 },
  { toString: null },
];

const NAMES = [
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  '$where',
  '',
  '\u0000',
  'x',
];

/** The value with one thing in it made wrong. */
export function damaged(value: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  return fc
    .tuple(value, fc.nat(1000), fc.constantFrom('replace', 'remove', 'add'), replacement)
    .map(([whole, at, how, by]) => damage(whole, at, how, by));
}

const replacement = fc.oneof(fc.constantFrom(...STRANGE), fc.jsonValue({ maxDepth: 2 }));

function damage(value: unknown, at: number, how: string, by: unknown): unknown {
  if (Array.isArray(value) && value.length > 0 && at % 3 > 0) {
    const index = at % value.length;
    return value.with(index, damage(value[index], Math.floor(at / 3), how, by));
  }
  if (typeof value !== 'object' || value === null) return by;
  const names = Object.keys(value);
  const name = names[at % Math.max(1, names.length)] ?? 'x';
  const record = value as Record<string, unknown>;
  if (how === 'add') return withOwn(record, NAMES[at % NAMES.length] ?? 'x', by);
  if (how === 'remove') {
    return Object.fromEntries(Object.entries(record).filter(([key]) => key !== name));
  }
  const isDeeper = at % 2 === 1 && typeof record[name] === 'object';
  return withOwn(record, name, isDeeper ? damage(record[name], at >> 1, how, by) : by);
}

/** `__proto__` becomes an attribute like every other. */
function withOwn(record: object, name: string, value: unknown): object {
  return Object.fromEntries([...Object.entries(record), [name, value]]);
}

/** Texts of a JSON value that a parser must refuse, or take for what they are. */
export function damagedText(text: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc.oneof(
    text.map((json) => `\ufeff${json}`).map(toByteText),
    text.map((json) => toByteText(`${json} ${json}`)),
    text.map((json) => toByteText(json.slice(0, Math.floor(json.length / 2)))),
    text.map((json) => toByteText(json.replace(/^\{/, '{"name":1,"name":2,"__proto__":{"a":1},'))),
    text.map((json) => toByteText(json.replaceAll('"', "'"))),
    text.map((json) => Buffer.from(json, 'utf16le').toString('latin1')),
    text.map((json) => `${toByteText(json).replace(/"[^"]*"/, '"\xff\xfe\x80"')}`),
    text.map((json) => toByteText(json.replace(/:\s*("[^"]*"|\d+|true|false|null)/, ':1e400'))),
    text.map((json) => toByteText(json.replace(/:\s*"[^"]*"/, String.raw`:"\ud800\u0000"`))),
    fc.integer({ min: 1, max: 20_000 }).map((depth) => '['.repeat(depth) + ']'.repeat(depth)),
    fc.integer({ min: 1, max: 20_000 }).map((depth) => '{"a":'.repeat(depth)),
    fc.constantFrom('', ' ', '\n', '\0', 'null', '[]', '{}', '0', '"x"', 'NaN', '{"a":01}', '//'),
    fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
  );
}
