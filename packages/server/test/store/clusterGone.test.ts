import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { newId } from '../../src/domain/ids.ts';
import { timestamp } from '../../src/domain/time.ts';
import { initOrganization } from '../../src/init.ts';
import * as events from '../../src/store/events.ts';
import * as liveMigrations from '../../src/store/liveMigrations.ts';
import { declareClusterGone } from '../../src/store/maintenance/clusterGone.ts';
import type { StoreOptions } from '../../src/store/open.ts';
import * as pushSessions from '../../src/store/pushSessions.ts';
import { StoreLockedError } from '../../src/store/store.ts';
import { type Credentials, textOf } from '../support/api.ts';
import { linkHost, makeDestination, migrationBody } from '../support/link.ts';
import { startOnStore, type StoreServer } from '../support/storeServer.ts';

let directory: string;
let options: StoreOptions;
let orgId: string;
let owner: Credentials;
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'linkspan-gone-'));
  options = { dataDirectory: join(directory, 'data'), masterKeyFile: null };
  const made = await initOrganization(options, 'Organization');
  orgId = made.organization.id;
  owner = made.apiKey;
});
afterEach(() => rmSync(directory, { recursive: true }));

const start = (): Promise<StoreServer> => startOnStore(options, owner);

test('C3: once a destination is declared gone, a cancel and a removal wait for it no longer', async () => {
  const tokens = `/api/atlas/v1.0/orgs/${orgId}/liveMigrations/linkTokens`;
  let groupId: string;
  let id: string;
  let clusterId: string;
  {
    await using running = await start();
    const { api, store } = running;
    await linkHost({ api, orgId, store });
    // It does not answer.
    groupId = await makeDestination({ api, orgId, store });
    const path = `/api/atlas/v2/groups/${groupId}/liveMigrations`;
    id = textOf(await api.call('POST', path, { body: migrationBody(groupId) }), '_id');
    const row = (await liveMigrations.find(store.db, id))!;
    clusterId = row.cluster_id;
    await pushSessions.insert(store.db, {
      id: newId(),
      migration_id: id,
      link_id: row.link_id!,
      cluster_id: clusterId,
      epoch: 1,
      secret_hash: Buffer.alloc(32),
      state: 'OPEN',
      connection_name: 'linkspan-test',
      opened_at: timestamp(),
    });
    await expect(declareClusterGone(options, clusterId)).rejects.toThrow(StoreLockedError);
  }
  const refused = declareClusterGone(options, clusterId);
  await expect(refused).rejects.toThrow(`live migration ${id} to cluster target has not ended`);
  await expect(declareClusterGone(options, newId())).rejects.toThrow('there is no cluster with');
  const cancel = `/api/linkspan/v1/groups/${groupId}/liveMigrations/${id}/cancel`;
  const cluster = `/api/linkspan/v1/groups/${groupId}/clusters/target`;
  {
    await using running = await start();
    const { api, store } = running;
    const late = await api.call('POST', cancel, { body: { dropCopied: true } });
    expect(late.status, late.text).toBe(503);
    expect((await api.call('DELETE', cluster)).status).toBe(409);
    expect(await pushSessions.listOpen(store.db)).toHaveLength(1);
  }
  const gone = await declareClusterGone(options, clusterId);
  expect(gone).toEqual({ clusterName: 'target', ended: 1, held: 0, kept: 1 });
  const nothing = await declareClusterGone(options, clusterId);
  expect(nothing).toMatchObject({ ended: 0, held: 0, kept: 0 });

  await using running = await start();
  const { api, store } = running;
  const canceled = await api.call('POST', cancel, { body: {} });
  expect(canceled.status, canceled.text).toBeLessThan(300);
  expect(await liveMigrations.find(store.db, id)).toMatchObject({ copied_data: 'KEPT' });
  expect((await api.call('DELETE', tokens)).status).toBe(204);
  expect((await api.call('DELETE', cluster)).status).toBe(204);
  const told = (await events.listByOrganization(store.db, orgId)).filter(
    ({ event_type: type }) => type === 'CLUSTER_DECLARED_GONE',
  );
  expect(told).toMatchObject([{ project_id: groupId, target_id: clusterId, api_key_id: null }]);
  const detail = JSON.parse(told[0]?.detail ?? '') as unknown;
  expect(detail).toEqual({ clusterName: 'target', sessionsEndedWithoutProof: 1 });
});
