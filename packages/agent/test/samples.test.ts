import { MAX_SAMPLES } from '@linkspan/contract/push/structure.ts';
import { BSON, type Document } from 'mongodb';
import { expect, it } from 'vitest';
import type { ListedNamespace } from '../src/source/listing.ts';
import { sampleStructure } from '../src/source/validation/samples.ts';

function listed(coll: string, more: Partial<ListedNamespace> = {}): ListedNamespace {
  const namespace = { db: 'app', coll };
  const none = { uuid: null, options: {}, indexes: [], buckets: false, unsupported: null };
  return { namespace, type: 'collection', ...none, ...more };
}

function index(key: Document, more: Document = {}): Document {
  return { v: 2, key: new Map(Object.entries(key)), name: Object.keys(key).join('_'), ...more };
}

function samplesOf(namespaces: readonly ListedNamespace[]): Document[] {
  const { samples } = sampleStructure(namespaces);
  return samples.map((sample) => BSON.deserialize(Buffer.from(sample, 'base64')));
}

it('shows the destination each kind of option and index once, with where it is', () => {
  const text = { weights: { title: 1 }, textIndexVersion: 3 };
  const collections = ['a', 'b', 'c', 'd'].map((coll) =>
    listed(coll, {
      options: { validator: { n: 1 }, validationAction: 'warn', collation: { locale: 'de' } },
      indexes: [
        index({ _fts: 'text', _ftsx: 1 }, { ...text, name: `${coll}_text` }),
        index({ [coll]: 'hashed' }),
      ],
    }),
  );
  const where = { of: ['app.a', 'app.b', 'app.c'], count: 4 };
  const key = { _fts: 'text', _ftsx: 1 };
  expect(samplesOf(collections)).toEqual([
    { ...where, options: { validator: { n: 1 }, validationAction: 'warn' } },
    { ...where, options: { collation: { locale: 'de' } } },
    { ...where, index: { v: 2, key, name: 'a_text', ...text } },
    { ...where, index: { v: 2, key: { a: 'hashed' }, name: 'a' } },
  ]);
});

it('does not ask for what every server has, nor for what is not moved', () => {
  const plain = [
    index({ a: 1, b: -1 }),
    index({ c: new BSON.Int32(1) }, { unique: true, sparse: true, expireAfterSeconds: 5 }),
  ];
  const inexact = { options: { collation: { locale: 'de' } }, unsupported: 'its option is odd' };
  expect(samplesOf([listed('a', { indexes: plain }), listed('b', inexact)])).toEqual([]);
  const special = [index({ 'a.$**': 1 }), index({ a: 1 }, { v: 1 }), index({ b: 'no number' })];
  expect(samplesOf([listed('a', { indexes: special })])).toHaveLength(3);
});

it('sends no more of ten thousand kinds than one report takes, one of each family first', () => {
  const filtered = (n: number): ListedNamespace =>
    listed(`c${n}`, { indexes: [index({ a: 1 }, { partialFilterExpression: { n } })] });
  const large = { validator: { text: 'x'.repeat(100_000) } };
  const all = [
    ...Array.from({ length: 10_000 }, (_, n) => filtered(n)),
    listed('large', { options: large }),
    listed('last', { indexes: [index({ a: 'hashed' })] }),
    listed('v', { type: 'view', options: { viewOn: 'a', pipeline: [] } }),
  ];
  const { samplesLeftOut } = sampleStructure(all);
  const samples = samplesOf(all);
  expect([samples.length, samplesLeftOut]).toEqual([MAX_SAMPLES, 10_003 - MAX_SAMPLES]);
  expect(samples.slice(0, 3)).toMatchObject([
    { of: ['app.c0'] },
    { of: ['app.last'], index: { key: { a: 'hashed' } } },
    { of: ['app.v'], view: { viewOn: 'a' } },
  ]);
});
