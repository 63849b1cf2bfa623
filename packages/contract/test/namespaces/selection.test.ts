import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkNamespaces } from '../../src/namespaces/check.ts';
import {
  differingByCase,
  whyNotDatabase,
  whyNotNamespace,
} from '../../src/namespaces/destinationNames.ts';
import {
  matches,
  matchesName,
  parseName,
  parsePattern,
  PatternError,
  quoteName,
} from '../../src/namespaces/pattern.ts';
import { Selection } from '../../src/namespaces/selection.ts';
import type { Namespaces } from '../../src/push/work.ts';
import type { Namespace } from '../../src/push/namespaces.ts';

const ns = (db: string, coll: string): Namespace => ({ db, coll });
const select = (part: Partial<Namespaces>): Selection =>
  new Selection({ include: [], exclude: [], rename: [], ...part });
const problems = (part: Partial<Namespaces>): string[] =>
  checkNamespaces({ include: [], exclude: [], rename: [], ...part }).map(
    ({ field, description }) => `${field}: ${description}`,
  );

/** Few characters, so that names and patterns meet. */
const database = fc.stringMatching(/^[ab*]{1,2}$/);
const collection = fc.stringMatching(/^[ab.*?\\]{1,4}$/);
const namespace = fc.record({ db: database, coll: collection });
const pattern = fc.stringMatching(/^([ab*?]|\\[*?\\]){1,3}(\.([ab.*?]|\\[*?\\]){1,4})?$/);
const EVERY_NAME = ['a', 'b', 'ab'].flatMap((db) =>
  ['a', 'b', 'a.b', 'ab'].map((coll) => ns(db, coll)),
);
const plain = fc.constantFrom('a', 'b', 'ab');
const rename = fc.oneof(
  fc.record({ from: plain, to: plain }),
  fc
    .tuple(fc.constantFrom(...EVERY_NAME), fc.constantFrom(...EVERY_NAME))
    .map(([from, to]) => ({ from: quoteName(from), to: quoteName(to) })),
);
const namespaces = fc.record({
  include: fc.array(pattern, { maxLength: 3 }),
  exclude: fc.array(pattern, { maxLength: 3 }),
  rename: fc.uniqueArray(rename, { maxLength: 4, selector: ({ from }) => from }),
});

describe('patterns', () => {
  test.each([
    ['shop', 'shop', 'any.thing', true],
    ['shop', 'shops', 'x', false],
    ['shop.*', 'shop', 'orders', true],
    ['shop.orders', 'shop', 'orders.old', false],
    ['shop.orders.*', 'shop', 'orders.old', true],
    ['shop.*.old', 'shop', 'orders.very.old', true],
    ['*.tmp_?', 'anything', 'tmp_1', true],
    ['*.tmp_?', 'anything', 'tmp_12', false],
    ['*.tmp_?', 'anything', 'tmp_😀', true],
    [String.raw`shop.a\*b`, 'shop', 'a*b', true],
    [String.raw`shop.a\*b`, 'shop', 'axb', false],
    [String.raw`shop.a\\b`, 'shop', String.raw`a\b`, true],
    ['shop.Orders', 'shop', 'orders', false],
  ])('%s: %s . %s is %s', (text, db, coll, expected) => {
    expect(matches(parsePattern(text), ns(db, coll))).toBe(expected);
  });

  test.each(['', '.x', 'a.', String.raw`a.b\x`, 'a.b\\'])('%j is none', (text) => {
    expect(() => parsePattern(text)).toThrow(PatternError);
  });

  test('a name is written so that it is read as itself, and matches nothing else', () => {
    fc.assert(
      fc.property(namespace, namespace, (one, other) => {
        const text = quoteName(one);
        expect(parseName(text)).toEqual(one);
        expect(matches(parsePattern(text), other)).toBe(
          one.db === other.db && one.coll === other.coll,
        );
      }),
    );
  });

  test('match as the same pattern does as a regular expression', () => {
    fc.assert(
      fc.property(pattern, collection, (text, name) => {
        const { coll } = parsePattern(`x.${text}`);
        const parts = coll.map((part) => {
          if (part === 'any') return '.*';
          return part === 'one' ? '.' : part.literal.replace(/[.*?\\]/, String.raw`\$&`);
        });
        expect(matchesName(coll, name)).toBe(new RegExp(`^${parts.join('')}$`, 's').test(name));
      }),
      { numRuns: 500 },
    );
  });

  test('are quick, however many stars stand against a long name', () => {
    const stars = parsePattern(`x.${'*a'.repeat(100)}b`);
    const started = process.cpuUsage().user;
    expect(matchesName(stars.coll, 'a'.repeat(5000))).toBe(false);
    expect(process.cpuUsage().user - started, 'microseconds').toBeLessThan(2_000_000);
  });
});

describe('a selection', () => {
  test('is everything that is migrated, where nothing is said', () => {
    expect(Selection.everything.selects(ns('shop', 'orders'))).toBe(true);
    expect(Selection.everything.maySelectIn('shop')).toBe(true);
    expect(Selection.everything.destinationOf(ns('shop', 'orders'))).toEqual(ns('shop', 'orders'));
  });

  test('C12: takes nothing in that is never migrated', () => {
    const all = select({ include: ['*', '*.*', 'admin', 'shop.system.*'] });
    for (const name of [ns('admin', 'x'), ns('local', 'oplog.rs'), ns('shop', 'system.views')]) {
      expect(all.selects(name)).toBe(false);
      expect(all.leavesOut(name), 'it was never to be moved').toBe(false);
    }
    expect(all.maySelectIn('config')).toBe(false);
  });

  test('includes what one pattern means and none excludes', () => {
    fc.assert(
      fc.property(namespaces, namespace, (given, name) => {
        const isMeant = (text: string): boolean => matches(parsePattern(text), name);
        const { include, exclude } = given;
        const expected = (include.length === 0 || include.some(isMeant)) && !exclude.some(isMeant);
        const selection = new Selection(given);
        expect(selection.selects(name)).toBe(expected);
        expect(selection.selects(name), 'asked again').toBe(expected);
        expect(selection.leavesOut(name)).toBe(!expected);
        if (!selection.maySelectIn(name.db)) expect(expected).toBe(false);
      }),
      { numRuns: 500 },
    );
  });

  test('renames a namespace before its database, and leaves the rest', () => {
    const selection = select({
      rename: [
        { from: 'a', to: 'b' },
        { from: 'a.x', to: 'c.y' },
        { from: 'a.same', to: 'a.same' },
      ],
    });
    expect(selection.destinationOf(ns('a', 'x'))).toEqual(ns('c', 'y'));
    expect(selection.destinationOf(ns('a', 'x.y'))).toEqual(ns('b', 'x.y'));
    expect(selection.destinationOf(ns('a', 'same'))).toEqual(ns('a', 'same'));
    expect(selection.destinationOf(ns('b', 'x'))).toEqual(ns('b', 'x'));
  });

  test('knows every source of a name at the destination, and no other', () => {
    fc.assert(
      fc.property(namespaces, (given) => {
        const selection = new Selection(given);
        for (const destination of EVERY_NAME) {
          const found = selection.sourcesOf(destination).filter((name) => isKnown(name));
          const expected = EVERY_NAME.filter(
            (name) =>
              selection.selects(name) &&
              quoteName(selection.destinationOf(name)) === quoteName(destination),
          );
          expect(found.map(quoteName).toSorted()).toEqual(expected.map(quoteName).toSorted());
        }
      }),
      { numRuns: 300 },
    );
  });

  const isKnown = ({ db, coll }: Namespace): boolean =>
    EVERY_NAME.some((known) => known.db === db && known.coll === coll);
});

describe('what is refused before the start', () => {
  const renames = (...pairs: [from: string, to: string][]) => ({
    rename: pairs.map(([from, to]) => ({ from, to })),
  });

  test.each<[what: string, part: Partial<Namespaces>, problem: string]>([
    ['no database', { include: ['a', '.x'] }, 'namespaces.include[1]: ".x" has no database'],
    ['no collection', { exclude: ['a.'] }, 'namespaces.exclude[0]: "a." has no collection'],
    [
      'a pattern to rename',
      renames(['a.*', 'b.*']),
      'namespaces.rename[0].from: "a.*" is a pattern',
    ],
    ['two kinds', renames(['a', 'b.x']), 'namespaces.rename[0].to: a database is renamed to'],
    ['a reserved source', renames(['admin', 'b']), 'rename[0].from: admin is never migrated'],
    ['a reserved database', renames(['a', 'Admin']), 'rename[0].to: Admin: "Admin" is reserved'],
    ['a system collection', renames(['a.x', 'a.system.x']), '"system." is reserved'],
    ['a dollar', renames(['a.x', 'a.$x']), 'holds no "$"'],
    ['a space', renames(['a', 'b c']), 'the name of a database holds no " "'],
    ['a long database', renames(['a', 'b'.repeat(64)]), 'at most 63 bytes'],
    ['a long name', renames(['a.x', `a.${'ä'.repeat(127)}`]), 'at most 255 bytes'],
    ['a leading dot', renames(['a.x', 'a..x']), 'begins with no dot'],
    ['one name twice', renames(['a.x', 'b.x'], ['a.x', 'b.y']), 'a.x is renamed twice'],
    ['one target twice', renames(['a.x', 'b.x'], ['a.y', 'b.x']), 'b.x is what another namespace'],
    ['case only', renames(['a', 'Shop'], ['b', 'shop']), 'differ by case only'],
    [
      'what is not selected',
      { exclude: ['a.x'], ...renames(['a.x', 'a.y']) },
      'namespaces.rename[0].from: a.x is not selected',
    ],
    [
      'a database of which nothing is',
      { include: ['b'], ...renames(['a', 'c']) },
      'is not selected',
    ],
  ])('%s', (_, part, problem) => {
    expect(problems(part).join('\n')).toContain(problem);
  });

  test('databases may be put together, names swapped, and names with stars moved', () => {
    expect(problems(renames(['a', 'c'], ['b', 'c']))).toEqual([]);
    expect(problems(renames(['a.x', 'a.y'], ['a.y', 'a.x']))).toEqual([]);
    expect(problems(renames([String.raw`a.x\*`, 'a.y']))).toEqual([]);
  });

  test('every name that something is renamed to is one that a server takes', () => {
    fc.assert(
      fc.property(namespaces, (given) => {
        if (checkNamespaces(given).length > 0) return;
        for (const { to } of given.rename) {
          const { db, coll } = parseName(to);
          expect(coll === null ? whyNotDatabase(db) : whyNotNamespace({ db, coll })).toBeNull();
        }
      }),
    );
  });

  test('names that differ by case only are found in pairs', () => {
    expect(differingByCase(['a', 'B', 'b', 'c', 'B'])).toEqual([['B', 'b']]);
  });
});
