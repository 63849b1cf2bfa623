import type { Progress } from '@linkspan/contract/push/progress.ts';
import { timestamp } from '../../src/domain/time.ts';
import { HostReplacement } from '../../src/operations/hostReplacement.ts';
import { WindowExpiry } from '../../src/operations/windowExpiry.ts';
import * as events from '../../src/store/events.ts';
import * as liveMigrations from '../../src/store/liveMigrations.ts';
import * as migrationHosts from '../../src/store/migrationHosts.ts';
import * as migrationWindows from '../../src/store/migrationWindows.ts';
import { expect, test } from 'vitest';
import { textOf } from '../support/api.ts';
import { operationContext } from '../support/endpoints.ts';
import { HOSTNAME, INVENTORY, linkHost, makeDestination, migrationBody } from '../support/link.ts';
import { listenedFor } from '../support/listening.ts';
import { startTestServer } from '../support/server.ts';

const HOUR = 60 * 60_000;

/** A migration whose window began at a time of the test's choice, and a clock that the test moves. */
async function startWindow(flags: Readonly<Record<string, string>> = {}) {
  const server = await startTestServer(flags);
  const { linkId, hostId } = await linkHost(server);
  const groupId = await makeDestination(server);
  const own = `/api/linkspan/v1/groups/${groupId}/liveMigrations`;
  const made = await server.api.call('POST', own, { body: migrationBody(groupId) });
  const id = textOf(made, '_id');
  const { db } = server.store;
  // In whole seconds, as the API shows times.
  const began = new Date(Math.floor(Date.now() / 1000) * 1000);
  const report = JSON.stringify({ phase: 'TAILING', warnings: [] } as unknown as Progress);
  await server.store.transaction(async (tx) => {
    const epoch = (await liveMigrations.nextEpoch(tx, id)) ?? 0;
    await liveMigrations.setProgress(tx, id, epoch, report, timestamp());
  });
  const settled: string[] = [];
  const { changed } = server.hooks;
  changed.length = 0;
  const expiry = new WindowExpiry(operationContext(server), (which) => void settled.push(which));
  return {
    server,
    id,
    linkId,
    hostId,
    settled,
    changed,
    began,
    begin: () => migrationWindows.begin(db, id, timestamp(began)),
    /** Looks so many hours after the window began. */
    lookAfter: (hours: number) => expiry.look(new Date(began.getTime() + hours * HOUR)),
    shown: async () => (await server.api.call('GET', `${own}/${id}`)).json,
    patch: (body: unknown) => server.api.call('PATCH', `${own}/${id}`, { body }),
    types: async () =>
      (await events.listByOrganization(db, server.orgId))
        .filter(({ target_id: target }) => target === id)
        .map(({ event_type: type, detail }) => {
          const hours = (JSON.parse(detail) as { hoursBefore?: number }).hoursBefore;
          return hours === undefined ? type : `${type} ${hours}`;
        })
        .slice(1),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

const ending = (hours: number): string => `LIVE_MIGRATION_WINDOW_ENDING ${hours}`;

test('a migration that was never ready has no end', async () => {
  await using window = await startWindow();
  await window.lookAfter(100_000);
  expect(await window.shown()).toMatchObject({
    status: 'WORKING',
    expires: null,
    windowHours: 120,
    warnings: [],
  });
});

test('the window ends 120 hours after the migration was first ready, with three warnings before', async () => {
  await using window = await startWindow();
  expect(await window.begin()).toBe(true);
  expect(await window.begin(), 'it begins once').toBe(false);
  const expires = `${timestamp(new Date(window.began.getTime() + 120 * HOUR)).slice(0, 19)}Z`;
  await window.lookAfter(95.9);
  expect(await window.shown()).toMatchObject({ expires, warnings: [] });
  for (const hour of [96, 97, 114, 114.5, 119, 119.9]) await window.lookAfter(hour);
  expect(await window.types(), 'one event each').toEqual([ending(24), ending(6), ending(1)]);
  const { warnings } = (await window.shown()) as { warnings: string[] };
  expect(warnings).toEqual([
    expect.stringContaining(`an hour of its window are left: it becomes EXPIRED at ${expires}`),
  ]);

  await window.lookAfter(120);
  expect(await window.shown()).toMatchObject({
    status: 'EXPIRED',
    state: 'EXPIRED',
    failureReason: expect.stringContaining('window of 120 hours is over') as string,
    finished: expires,
    readyForCutover: false,
    warnings: [],
  });
  expect(window.settled, 'as a cancel does').toEqual([window.id]);
  expect(window.changed).toEqual([window.linkId]);
  const row = await liveMigrations.find(window.server.store.db, window.id);
  expect(row?.password_sealed).toBeNull();
  expect((await window.types()).at(-1)).toBe('LIVE_MIGRATION_EXPIRED');
  expect((await window.patch({ windowHours: 500 })).json).toMatchObject({
    errorCode: 'LIVE_MIGRATION_NOT_ACTIVE',
    parameters: [window.id, 'EXPIRED'],
  });
});

test('a clock that jumps back repeats no warning, takes none back and revives nothing', async () => {
  await using window = await startWindow();
  await window.begin();
  await window.lookAfter(119.5);
  const before = await window.shown();
  for (const hour of [-1000, 10, 97, 115]) await window.lookAfter(hour);
  expect(await window.types(), 'missed ones are not given late').toEqual([ending(1)]);
  expect((await window.shown())['warnings']).toEqual(before['warnings']);
  await window.lookAfter(121);
  await window.lookAfter(-1000);
  expect(await window.shown()).toMatchObject({ status: 'EXPIRED' });
  expect(await window.types()).toEqual([ending(1), 'LIVE_MIGRATION_EXPIRED']);
});

test('an extension moves the end and warns anew', async () => {
  await using window = await startWindow();
  await window.begin();
  await window.lookAfter(119);
  expect((await window.patch({ windowHours: 125 })).json).toMatchObject({
    windowHours: 125,
    expires: `${timestamp(new Date(window.began.getTime() + 125 * HOUR)).slice(0, 19)}Z`,
    warnings: [],
  });
  expect((await window.patch({ windowHours: 125 })).status, 'the same again').toBe(200);
  await window.lookAfter(120);
  await window.lookAfter(124);
  await window.lookAfter(124.9);
  expect(await window.types()).toEqual([
    ending(1),
    'LIVE_MIGRATION_WINDOW_CHANGED',
    ending(6),
    ending(1),
  ]);
  await window.lookAfter(125);
  expect(await window.shown()).toMatchObject({ status: 'EXPIRED' });
});

test('what is being cut over is let finish, and ends after a failed cutover', async () => {
  await using window = await startWindow();
  await window.begin();
  const { db } = window.server.store;
  expect(await liveMigrations.requestCutover(db, window.id)).toBe(1);
  await window.lookAfter(130);
  expect(await window.shown()).toMatchObject({ state: 'CUTTING_OVER' });
  await liveMigrations.setCutoverFailed(db, window.id, 1, 'the source was written');
  await window.lookAfter(130);
  expect(await window.shown()).toMatchObject({ state: 'EXPIRED' });
});

test('a cutover whose only host does not come back fails once the window is over, and the migration ends', async () => {
  await using window = await startWindow();
  await window.begin();
  const { server, id, hostId } = window;
  const { db } = server.store;
  const silenceMs = 300_000;
  const at = (hours: number): Date => new Date(window.began.getTime() + hours * HOUR);
  const look = async (hours: number, listenedMs = 2 * silenceMs): Promise<unknown> => {
    const now = { wall: at(hours).getTime(), monotonic: 0 };
    const listening = listenedFor(listenedMs, now);
    await new HostReplacement(operationContext(server), silenceMs, listening).look(now);
    await window.lookAfter(hours);
    return (await window.shown())['state'];
  };
  expect(await liveMigrations.requestCutover(db, id)).toBe(1);
  expect(await look(119.9), 'it may come back').toBe('CUTTING_OVER');
  expect(await look(120.1, silenceMs / 2), 'the server was not there').toBe('CUTTING_OVER');
  const heard = { hostname: HOSTNAME, agent_version: '0.1.0', inventory: INVENTORY };
  await migrationHosts.report(db, hostId, { ...heard, heartbeat_at: timestamp(at(120.2)) });
  expect(await look(120.2), 'it is there').toBe('CUTTING_OVER');
  window.changed.length = 0;
  expect(await look(121)).toBe('EXPIRED');
  expect(window.changed).toEqual([window.linkId, window.linkId]);
  const row = await liveMigrations.find(db, id);
  expect(row).toMatchObject({ password_sealed: null, cutover_failed_attempt: 1 });
  expect(row?.cutover_failure).toBe('Its migration host was silent for 2880 seconds.');
  expect((await window.types()).slice(-2)).toEqual([
    'LIVE_MIGRATION_CUTOVER_FAILED',
    'LIVE_MIGRATION_EXPIRED',
  ]);
});

test('a paused migration expires, too; the server says how long windows of new ones are', async () => {
  await using window = await startWindow({ windowHours: '12' });
  await window.begin();
  expect(await liveMigrations.setPaused(window.server.store.db, window.id, timestamp())).toBe(true);
  await window.lookAfter(0);
  expect(await window.types(), 'no warning is longer than the window').toEqual([]);
  await window.lookAfter(6);
  await window.lookAfter(12);
  expect(await window.types()).toEqual([ending(6), 'LIVE_MIGRATION_EXPIRED']);
});
