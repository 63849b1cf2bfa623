import {
  MongoNetworkError,
  MongoServerError,
  MongoServerSelectionError,
  MongoWriteConcernError,
  type Document,
} from 'mongodb';
import { expect, test } from 'vitest';

import { mayGoOn, mayGoOnAfter, reasonOf, type Sent } from '../../src/destination/errors.ts';

const structure: Sent = { kind: 'structure', isRouted: false };
const documents: Sent = { kind: 'documents', isRouted: false };
const routed: readonly Sent[] = [
  { kind: 'structure', isRouted: true },
  { kind: 'documents', isRouted: true },
];
const answered = (code: number, more: Document = {}): MongoServerError =>
  new MongoServerError({ ok: 0, code, errmsg: 'no', ...more });

test.each([91, 189, 10_107, 11_600, 11_602, 13_435, 13_436])(
  'C2: a build goes on after the answer %i of a primary that steps down, a write of documents does not',
  (code) => {
    expect(mayGoOn(answered(code), structure)).toBe(true);
    expect(mayGoOn(answered(code), documents)).toBe(false);
    for (const sent of routed) expect(mayGoOn(answered(code), sent)).toBe(true);
  },
);

test.each([6, 7, 50, 89, 90, 202, 262, 9001, 11_601])(
  'C2: behind a mongos a shard may go on after the answer %i',
  (code) => {
    expect(mayGoOn(answered(code), structure)).toBe(false);
    expect(mayGoOn(answered(code), documents)).toBe(false);
    const ofOneShard = answered(11_000, { raw: { 'a/h:1': { ok: 1 }, 'b/h:2': { ok: 0, code } } });
    const ofOneDocument = { ok: 1, n: 1, writeErrors: [{ index: 0, code: 11_000 }, { code }] };
    for (const sent of routed) {
      expect(mayGoOn(answered(code), sent)).toBe(true);
      expect(mayGoOn(ofOneShard, sent)).toBe(true);
      expect(mayGoOnAfter(ofOneDocument, sent)).toBe(true);
    }
    expect(mayGoOnAfter(ofOneDocument, documents)).toBe(false);
  },
);

test('C2: other answers end a command, and so does one that only waited for the write concern', () => {
  const writeConcernError = { code: 11_602, errmsg: 'waiting' };
  const done = new MongoWriteConcernError({ ok: 1, writeConcernError });
  const reply = { ok: 1, writeConcernError, writeErrors: [{ index: 0, code: 6 }] };
  const partly = new MongoWriteConcernError(reply);
  for (const sent of [structure, documents, ...routed]) {
    for (const code of [13, 64, 276, 11_000]) expect(mayGoOn(answered(code), sent)).toBe(false);
    expect(mayGoOn(done, sent)).toBe(false);
    expect(mayGoOn(partly, sent)).toBe(sent.isRouted);
    expect(mayGoOnAfter({ ok: 1, n: 1 }, sent)).toBe(false);
    expect(mayGoOn(new MongoNetworkError('cut'), sent)).toBe(true);
    const unsent = new MongoServerSelectionError('none', {} as never);
    expect(mayGoOn(unsent, sent)).toBe(false);
  }
});

test('a reason shows no part of a password, escaped or not', () => {
  const reason = reasonOf(new Error('cannot use mongodb://user:p@ss/word@db.example.com/ now'));
  expect(reason).toBe('cannot use mongodb://db.example.com/ now');
});
