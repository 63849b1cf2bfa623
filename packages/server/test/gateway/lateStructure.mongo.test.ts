import type { StructureRequest } from '@linkspan/contract/push/structure.ts';
import { BSON } from 'mongodb';
import { beforeEach, expect, test } from 'vitest';

import { host, push, withHost, type Answer, type TestSession } from './push.ts';

withHost();

let migrationId: string;
let session: TestSession;

beforeEach(async () => {
  await push.mongo.client().db('app').dropDatabase();
  migrationId = await push.makeMigration(host);
  session = await host.session(migrationId);
});

/** A proxy delivers what was sent with one number as often as it likes. */
const send = (lane: number, seq: number, request: StructureRequest): Promise<Answer> =>
  session.post('structure', BSON.serialize({ ...request, lane, seq }));

const x = { db: 'app', coll: 'x' };
const made = { action: 'collection', ...x, options: {}, indexes: [] } as const;
const dropped = { action: 'drop', ...x } as const;
const renamed = { action: 'rename', ...x, toDb: 'app', toColl: 'y' } as const;

const names = async (): Promise<string[]> => {
  const found = await push.mongo.client().db('app').listCollections().toArray();
  return found.map(({ name }) => String(name)).toSorted();
};

test('D13: a drop that comes late does not take the collection that has the name since', async () => {
  await send(0, 1, made);
  const first = await send(0, 2, dropped);
  expect(first.status).toBe(200);
  expect((await send(0, 2, dropped)).json, 'the repetition is answered alike').toEqual(first.json);
  await send(1, 1, made);
  await session.documents({ coll: 'x' }, [{ _id: 1 }]);
  expect((await send(0, 2, dropped)).json, 'late, and the newest of its lane').toEqual(first.json);
  await send(0, 3, { ...made, coll: 'z' });
  expect((await send(0, 2, dropped)).code).toBe('LANE_STALE');
  const left = await push.mongo.client().db('app').collection('x').find().toArray();
  expect(left).toEqual([{ _id: 1 }]);
});

test('D13: a rename that comes late does not take what has either name since', async () => {
  await send(0, 1, made);
  expect((await send(0, 2, renamed)).status).toBe(200);
  const late = BSON.serialize({ requests: [made], lane: 0, seq: 3 });
  const first = await session.post('structures', late);
  expect(first.json).toMatchObject({ results: [{ refused: null }] });
  expect((await send(0, 2, renamed)).code).toBe('LANE_STALE');
  expect(await names()).toEqual(['x', 'y']);
  await send(1, 1, dropped);
  expect((await session.post('structures', late)).json, 'not made again').toEqual(first.json);
  expect(await names()).toEqual(['y']);
});

test('D13: what failed is carried out when it comes again under its number', async () => {
  await push.mongo.client().db('app').collection<{ _id: number }>('x').insertOne({ _id: 1 });
  expect((await send(0, 1, made)).code).toBe('STRUCTURE_REFUSED');
  await push.mongo.client().db('app').dropCollection('x');
  expect((await send(0, 1, made)).status).toBe(200);
});

test('D11: an opening tells which structural request was carried out last, of which session', async () => {
  expect(session.opened.lastStructure).toEqual({ epoch: 0, number: 0 });
  const counted = (lane: number, number: number, request: StructureRequest): Promise<Answer> =>
    session.post('structure', BSON.serialize({ ...request, lane, seq: number, number }));
  const open = async (): Promise<typeof session.opened.lastStructure> => {
    session = await host.session(migrationId);
    return session.opened.lastStructure;
  };
  const { epoch } = session.opened;
  await counted(0, 1, made);
  await counted(1, 3, { ...made, coll: 'z' });
  await counted(0, 2, dropped);
  expect(await open()).toEqual({ epoch, number: 3 });
  expect(await open(), 'nothing was changed in between').toEqual({ epoch, number: 3 });
  const later = session.opened.epoch;
  await session.post(
    'structures',
    BSON.serialize({ requests: [made], lane: 0, seq: 1, number: 1 }),
  );
  expect(await open()).toEqual({ epoch: later, number: 1 });
  const last = session.opened.epoch;
  await session.structure(made);
  expect(await open(), 'of an agent that does not count').toEqual({ epoch: last, number: 0 });
});

test('agents of version 2 number nothing: what they send is carried out; half a number is refused', async () => {
  expect((await session.structure(made)).status).toBe(200);
  expect((await session.structure(dropped)).status).toBe(200);
  expect((await session.structure(made)).status).toBe(200);
  expect(await names()).toEqual(['x']);
  const half = await session.post('structure', BSON.serialize({ ...dropped, lane: 0 }));
  expect(half.code).toBe('MESSAGE_INVALID');
});
