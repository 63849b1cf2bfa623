import type { Document } from 'bson';
import { describe, expect, it } from 'vitest';
import { Selection } from '../../src/namespaces/selection.ts';
import {
  namesInView,
  viewAtDestination,
  ViewAcrossDatabasesError,
} from '../../src/namespaces/views.ts';
import type { Namespaces } from '../../src/push/work.ts';
import type { Namespace } from '../../src/push/namespaces.ts';

const ns = (db: string, coll: string): Namespace => ({ db, coll });
const renames = (...pairs: [from: string, to: string][]): Namespaces => ({
  include: [],
  exclude: [],
  rename: pairs.map(([from, to]) => ({ from, to })),
});

describe('views', () => {
  const pipeline = [
    new Map<string, unknown>([
      [
        '$lookup',
        new Map<string, unknown>([
          ['from', 'b'],
          ['pipeline', [new Map([['$unionWith', 'c']])]],
          ['as', 'b'],
        ]),
      ],
    ]),
    new Map([
      ['$facet', new Map([['one', [new Map([['$unionWith', new Map([['coll', 'd']])]])]]])],
    ]),
    new Map([
      [
        '$graphLookup',
        new Map([
          ['from', 'e'],
          ['as', 'from'],
        ]),
      ],
    ]),
    new Map([
      [
        '$match',
        new Map([
          ['from', 'f'],
          ['coll', 'g'],
          ['viewOn', 'h'],
        ]),
      ],
    ]),
  ];
  const options = { viewOn: 'a', pipeline };

  it('name every collection that they read, and nothing that only looks like one', () => {
    const names = namesInView(ns('x', 'v'), options).map(({ coll }) => coll);
    expect(names.toSorted()).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  it('keep their order and everything but these names', () => {
    const selection = new Selection(
      renames(...'abcde'.split('').map((c): [string, string] => [`x.${c}`, `x.${c}2`])),
    );
    const moved = viewAtDestination(selection, ns('x', 'v'), options);
    const shown = (value: Document): string =>
      JSON.stringify(value, (_, inner: unknown) =>
        inner instanceof Map ? [...(inner as Map<string, unknown>)] : inner,
      );
    const expected = shown(options).replaceAll(/"([a-e])"(?=[\],}])/g, '"$12"');
    // `as` names a field.
    expect(shown(moved)).toBe(expected.replace('["as","b2"]', '["as","b"]'));
    expect(viewAtDestination(Selection.everything, ns('x', 'v'), options)).toBe(options);
  });

  it('do not read across databases', () => {
    const apart = new Selection(renames(['x.b', 'y.b']));
    expect(() => viewAtDestination(apart, ns('x', 'v'), options)).toThrow(ViewAcrossDatabasesError);
    const together = new Selection(renames(['x', 'y']));
    expect(viewAtDestination(together, ns('x', 'v'), options)).toEqual(options);
  });
});
