import { expect, test } from 'vitest';
import { Looks } from '../../src/gateway/looks.ts';
import * as migrationHosts from '../../src/store/migrationHosts.ts';
import { timestamp } from '../../src/domain/time.ts';
import { textOf } from '../support/api.ts';
import { linkHost, makeDestination, migrationBody } from '../support/link.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

/** The store as looks see it: each asks for its connection once. */
function counted({ store }: TestServer) {
  const counts = { looks: 0 };
  const begun = Promise.withResolvers<void>();
  const looks = new Looks({
    dialect: store.dialect,
    get db() {
      counts.looks += 1;
      begun.resolve();
      return store.db;
    },
  });
  return { looks, counts, begun: begun.promise };
}

test('C14: long polls look into the store together, and each is told its own', async () => {
  await using server = await startTestServer();
  const { linkId, hostId } = await linkHost(server);
  const groupId = await makeDestination(server);
  const path = `/api/atlas/v2/groups/${groupId}/liveMigrations`;
  const body = migrationBody(groupId);
  const id = textOf(await server.api.call('POST', path, { body }), '_id');
  const { looks, counts } = counted(server);
  const stranger = { id: '0'.repeat(24), link_id: '1'.repeat(24) };
  const host = { id: hostId, link_id: linkId };
  const [own, none, again] = await Promise.all([host, stranger, host].map((one) => looks.of(one)));
  expect(counts.looks).toBe(1);
  expect(own).toMatchObject({ isLinkLive: true, isHostLinked: true, liveMigrations: [{ id }] });
  expect(again).toEqual(own);
  const nothing = {
    isLinkLive: false,
    isHostLinked: false,
    liveMigrations: [],
    validations: [],
    offerings: [],
  };
  expect(none).toEqual(nothing);
});

test('C14: a long poll never sees a look that began before it', async () => {
  await using server = await startTestServer();
  const { linkId, hostId } = await linkHost(server);
  const { looks, counts, begun } = counted(server);
  const host = { id: hostId, link_id: linkId };
  const before = looks.of(host);
  await begun;
  await migrationHosts.setUnlinked(server.store.db, hostId, timestamp());
  expect(await looks.of(host)).toMatchObject({ isLinkLive: true, isHostLinked: false });
  await before;
  expect(counts.looks).toBe(2);
});

test('a look that fails fails for those who wait for it, and the next one is made', async () => {
  await using server = await startTestServer();
  const { linkId, hostId } = await linkHost(server);
  let isBroken = true;
  const looks = new Looks({
    dialect: server.store.dialect,
    get db() {
      if (isBroken) throw new Error('the store does not answer');
      return server.store.db;
    },
  });
  const host = { id: hostId, link_id: linkId };
  const both = await Promise.allSettled([looks.of(host), looks.of(host)]);
  expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  isBroken = false;
  expect(await looks.of(host)).toMatchObject({ isLinkLive: true, isHostLinked: true });
});

test('C14: however busy it is, a long poll waits for a second at most until it looks again', () => {
  const nobody = (): never => {
    throw new Error('nobody looks');
  };
  const looks = new Looks({
    get db() {
      return nobody();
    },
    get dialect() {
      return nobody();
    },
  });
  for (let n = 0; n < 1000; n += 1) {
    const wait = looks.untilNext();
    expect(wait).toBeGreaterThan(749);
    expect(wait).toBeLessThan(1001);
  }
});
