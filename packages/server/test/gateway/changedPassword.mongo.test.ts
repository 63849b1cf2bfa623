import { startMongoDB, type MongoDB } from '@linkspan/testkit/mongodb.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { addressList } from '../../src/domain/addresses.ts';
import { newId } from '../../src/domain/ids.ts';
import { timestamp } from '../../src/domain/time.ts';
import { setConnectionString } from '../../src/operations/clusters.ts';
import type { OperationContext } from '../../src/operations/context.ts';
import { LinkRemoval } from '../../src/operations/linkRemoval.ts';
import { LiveMigrationControl } from '../../src/operations/liveMigrationControl.ts';
import * as clusters from '../../src/store/clusters.ts';
import * as links from '../../src/store/links.ts';
import * as liveMigrations from '../../src/store/liveMigrations.ts';
import * as pushSessions from '../../src/store/pushSessions.ts';
import { host, operationContext, ownerOf, push, withHost } from './push.ts';

withHost();

const BUSY = { status: 409, code: 'CANNOT_MODIFY_CLUSTER_WITH_RUNNING_LIVE_IMPORT' };
const WRONG = 'a-password-of-before';
let guarded: MongoDB;
beforeAll(async () => {
  guarded = await startMongoDB({
    name: 'guarded',
    auth: { username: 'writer', password: 'the-password' },
  });
}, 120_000);
afterAll(() => guarded?.stop());

const contextOf = (waitMs: number): OperationContext => ({
  ...operationContext(push, waitMs),
  allowedNetworks: addressList(['127.0.0.0/8']),
});

/** A cluster of which the store has another password, with an ended migration and a session of a node that is gone. */
async function leaveSession(name: string, change: { readonly is_fenced?: 0 | 1 } = {}) {
  const { store } = push;
  const clusterId = newId();
  const migrationId = await push.makeMigration(host, { epoch: 1, status: 'WORKING' });
  const { project_id: groupId } = (await liveMigrations.find(store.db, migrationId))!;
  const uri = guarded.uri.replace('the-password', WRONG);
  await clusters.insert(store.db, {
    id: clusterId,
    project_id: groupId,
    name,
    uri_sealed: store.sealer.seal(clusters.uriIdentity(clusterId), uri),
    facts: null,
    created_at: timestamp(),
  });
  const sessionId = newId();
  await pushSessions.insert(store.db, {
    id: sessionId,
    migration_id: migrationId,
    link_id: push.linkId,
    cluster_id: clusterId,
    epoch: 1,
    secret_hash: Buffer.alloc(32),
    state: 'OPEN',
    connection_name: `linkspan-test-${name}`,
    opened_at: timestamp(),
  });
  await store.db
    .updateTable('push_sessions')
    .set({ node_id: newId(), ...change })
    .where('id', '=', sessionId)
    .execute();
  await store.db
    .updateTable('live_migrations')
    .set({ cluster_id: clusterId })
    .where('id', '=', migrationId)
    .execute();
  const update = (connectionString: string) =>
    setConnectionString(contextOf(1_000), ownerOf(push), groupId, name, { connectionString }, '');
  return { groupId, migrationId, sessionId, clusterId, update };
}

/** What cannot be proven is answered with a reason that a person can act on, and without a password. */
async function expectUnproven(answer: Promise<void>, name: string): Promise<void> {
  const error = await answer.then(
    () => null,
    (failure: unknown) => failure,
  );
  expect(error).toMatchObject({
    status: 503,
    message: expect.stringContaining(`cluster ${name} (`) as string,
  });
  const { message } = error as Error;
  expect(message).toContain('refuses the user name or password');
  expect(message).toContain('linkspan clusters update');
  expect(message).not.toContain(WRONG);
}

test.each([
  ['by its connections', 'listed', { is_fenced: 0 as const }],
  ['by the fence', 'fenced', { is_fenced: 1 as const }],
] as const)(
  'C3: with another password at the destination, what was left is proven %s once the cluster has the new one',
  async (_how, name, change) => {
    const { groupId, migrationId, sessionId, update } = await leaveSession(name, change);
    const { db } = push.store;
    await expect(update(guarded.uri), 'the migration is active').rejects.toMatchObject(BUSY);
    const control = new LiveMigrationControl(contextOf(3_000));
    const cancel = () => control.cancel(ownerOf(push), groupId, migrationId);
    await expectUnproven(cancel(), name);
    // A proof that another cluster gives, or that another user sees, is none.
    const elsewhere = guarded.uri.replace(/127\.0\.0\.1:\d+/, '127.0.0.1:1');
    await expect(update(elsewhere)).rejects.toMatchObject(BUSY);
    await expect(update(guarded.uri.replace('writer', 'other'))).rejects.toMatchObject(BUSY);
    expect(await pushSessions.isOpen(db, sessionId)).toBe(true);
    await update(guarded.uri);
    const isDone = () =>
      cancel().then(
        () => true,
        () => false,
      );
    await expect.poll(isDone, { timeout: 20_000 }).toBe(true);
    expect(await pushSessions.isOpen(db, sessionId)).toBe(false);
    await control.close();
  },
);

test('C3: a link-token is removed once a destination with another password has got that', async () => {
  const { sessionId, update } = await leaveSession('removed');
  const removal = new LinkRemoval(contextOf(3_000));
  await expectUnproven(removal.remove(push.orgId, null), 'removed');
  await update(guarded.uri);
  const { db } = push.store;
  await expect.poll(() => links.find(db, push.linkId), { timeout: 20_000 }).toBeUndefined();
  expect(await pushSessions.isOpen(db, sessionId)).toBe(false);
  await removal.close();
});
