import { expect, test } from 'vitest';

import { timestamp } from '../../src/domain/time.ts';
import * as migrationHosts from '../../src/store/migrationHosts.ts';
import { HOSTNAME, linkHost, makeDestination, migrationBody } from '../support/link.ts';
import { startTestServer } from '../support/server.ts';

test('an unlinked migration host shows as not synced and is chosen for nothing new', async () => {
  await using server = await startTestServer();
  const { api, orgId, store } = server;
  const groupId = await makeDestination(server);
  const { hostId } = await linkHost(server);
  const projects = `/api/atlas/v2/orgs/${orgId}/liveMigrations/availableProjects`;
  const link = `/api/linkspan/v1/orgs/${orgId}/liveMigrations/link`;
  const migrations = `/api/atlas/v2/groups/${groupId}/liveMigrations`;
  const body = migrationBody(groupId);
  const before = await api.call('POST', migrations, { body });
  expect(before.status).toBe(201);
  expect((await api.call('GET', projects)).text).toContain(HOSTNAME);

  await migrationHosts.setUnlinked(store.db, hostId, timestamp());

  expect((await api.call('GET', link)).json).toMatchObject({
    state: 'NOT_SYNCED',
    migrationHosts: [{ hostname: HOSTNAME, unlinked: expect.stringMatching(/^20.*Z$/) }],
    impact: { liveMigrations: [{ id: before.json['_id'] }] },
  });
  expect((await api.call('GET', projects)).text).toBe('[]');
  for (const path of [migrations, `${migrations}/validate`]) {
    const refused = await api.call('POST', path, { body });
    expect(refused).toMatchObject({ status: 409, json: { errorCode: 'ORG_LINK_NOT_LINKED' } });
    expect(refused.json['detail']).toContain(`${HOSTNAME} was unlinked from the source side`);
  }
});
