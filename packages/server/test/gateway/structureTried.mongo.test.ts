import { FINDINGS, type FindingCode } from '@linkspan/contract/api/findings.ts';
import type { Finding, ValidationReport } from '@linkspan/contract/push/validation.ts';
import type { SampledStructure } from '@linkspan/contract/push/structure.ts';
import { UNAUTHORIZED, failCommands, healCommands } from '@linkspan/testkit/failPoints.ts';
import { BSON, type Document } from 'mongodb';
import { afterEach, expect, test } from 'vitest';

import { newId } from '../../src/domain/ids.ts';
import { PROBES } from '../../src/destination/validation/structure.ts';
import { host, push, withHost } from './push.ts';
import { beginValidation } from './validation.ts';
import * as validations from '../../src/store/validations.ts';

withHost();

afterEach(async () => {
  expect(await probes(), 'nothing of what was tried stays').toEqual([]);
});

async function probes(): Promise<string[]> {
  const { databases } = await push.mongo.client().db('admin').admin().listDatabases();
  return databases.map(({ name }) => name).filter((name) => name.startsWith(PROBES));
}

async function findingsOf(report: Partial<ValidationReport>): Promise<Finding[]> {
  const id = await beginValidation(push, host);
  const message = { findings: [], namespaces: [], dataBytes: 0, ...report };
  const { status, json } = await host.post(`/validations/${id}/report`, message);
  expect(status, JSON.stringify(json)).toBe(204);
  const row = await validations.findOfHost(push.store.db, host.hostId, id);
  const findings = JSON.parse(row?.findings ?? '[]') as Finding[];
  return findings.filter(({ code }) => code !== 'DESTINATION_FENCE_NOT_ENFORCED');
}

function encode(structure: SampledStructure, count = 1): string {
  const sample = { of: ['app.a'], count, ...structure };
  return Buffer.from(BSON.serialize(sample)).toString('base64');
}

const index = (key: Document, more: Document = {}): SampledStructure => ({
  index: { v: 2, key, name: Object.keys(key).join('_'), ...more },
});

/** What any server of today takes, with what SecantusDB does not have told apart. */
const TAKEN: readonly SampledStructure[] = [
  { options: { collation: { locale: 'de', strength: 2 } } },
  { options: { capped: true, size: 4096, max: 10 } },
  { options: { validator: { n: { $gt: 0 } }, validationLevel: 'moderate' } },
  { options: { changeStreamPreAndPostImages: { enabled: true } } },
  { options: { clusteredIndex: { v: 2, key: { _id: 1 }, name: 'by id', unique: true } } },
  index({ place: '2dsphere' }, { '2dsphereIndexVersion': 3 }),
  index({ '$**': 1 }),
  index({ a: 1 }, { collation: { locale: 'fr' } }),
  index({ b: 1 }, { partialFilterExpression: { n: { $gt: 0 } } }),
  index({ c: 1 }, { hidden: true }),
  { view: { viewOn: 'a', pipeline: [{ $match: { a: 1 } }] } },
];

test('what the destination takes is tried there, and is no finding', async () => {
  expect(await findingsOf({ samples: TAKEN.map((one) => encode(one)) })).toEqual([]);
});

const TEXT: SampledStructure = {
  index: {
    v: 2,
    key: { _fts: 'text', _ftsx: 1 },
    name: 'title_text',
    weights: { title: 1 },
    default_language: 'english',
    language_override: 'language',
    textIndexVersion: 3,
  },
};

/** What no server takes. */
const REFUSED: readonly [FindingCode, SampledStructure][] = [
  ['DESTINATION_VALIDATOR_REFUSED', { options: { validator: { a: { $ofTheFuture: 1 } } } }],
  [
    'DESTINATION_CLUSTERED_COLLECTION_REFUSED',
    { options: { clusteredIndex: { key: { a: 1 }, unique: true } } },
  ],
  ['DESTINATION_ENCRYPTED_FIELDS_REFUSED', { options: { encryptedFields: { fields: [] } } }],
  ['DESTINATION_OPTION_REFUSED', { options: { ofTheFuture: true } }],
  [
    'DESTINATION_PARTIAL_INDEX_REFUSED',
    index({ a: 1 }, { partialFilterExpression: { a: { $ofTheFuture: 1 } } }),
  ],
  ['DESTINATION_COLUMNSTORE_INDEX_REFUSED', index({ '$**': 'columnstore' })],
  ['DESTINATION_INDEX_REFUSED', index({ a: 1 }, { ofTheFuture: true })],
];

test('each kind that the destination refuses is an error of its own, and one does not hide another', async () => {
  const samples = [...TAKEN, ...REFUSED.map(([, one]) => one), TEXT, index({ a: 'hashed' })];
  const found = await findingsOf({ samples: samples.map((one) => encode(one, 5)) });
  // SecantusDB has neither of the two.
  const lacking: FindingCode[] =
    push.mongo.server === 'SecantusDB'
      ? ['DESTINATION_TEXT_INDEX_REFUSED', 'DESTINATION_HASHED_INDEX_REFUSED']
      : [];
  expect(found.map(({ code }) => code)).toEqual([...REFUSED.map(([code]) => code), ...lacking]);
  for (const { code, severity, message } of found) {
    expect(severity, code).toBe('error');
    expect(message.startsWith(FINDINGS[code as FindingCode].text), message).toBe(true);
    expect(message).toContain('app.a and 4 more: ');
    expect(message).not.toContain(PROBES);
  }
});

test('a lack of privileges refuses nothing: what was not tried is told with the reason', async ({
  skip,
}) => {
  if (!push.mongo.capabilities.failCommand) skip('needs failCommand');
  await failCommands(push.mongo, { failCommands: ['create'], errorCode: UNAUTHORIZED });
  const found = await findingsOf({ samples: TAKEN.map((one) => encode(one)), samplesLeftOut: 2 });
  await healCommands(push.mongo);
  const notTried = `DESTINATION_STRUCTURE_NOT_TRIED`;
  expect(found.map(({ code }) => code)).toEqual([notTried, notTried]);
  expect(found[0]).toMatchObject({ severity: 'warning' });
  expect(found[0]?.message).toContain(`${TAKEN.length} of them were not: `);
  expect(found[1]?.message).toContain('2 of them were not: there are too many');
});

test('what a server that was killed left there is dropped by the next one', async () => {
  const forgotten = push.mongo.client().db(`${PROBES}00000001${newId().slice(8)}`);
  await forgotten.createCollection('a');
  expect(await probes()).toHaveLength(1);
  expect(await findingsOf({ samples: [encode({ options: {} })] })).toEqual([]);
});

test('samples that are none are refused', async () => {
  const id = await beginValidation(push, host);
  for (const sample of ['bm8=', encode({ options: null as never })]) {
    const report = { findings: [], namespaces: [], dataBytes: 0, samples: [sample] };
    const { status, json } = await host.post(`/validations/${id}/report`, report);
    expect(status).toBe(400);
    expect(json['detail']).toMatch(/^samples: /);
  }
});
