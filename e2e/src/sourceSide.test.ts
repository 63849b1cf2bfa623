import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { api } from '@linkspan/testkit/digestClient.ts';
import {
  type DestinationSide,
  MIGRATION_HOST,
  SOURCE_DEPLOYMENT,
  SOURCE_PROJECT,
  startDestinationSide,
} from '@linkspan/testkit/linkedPair.ts';
import { startAgent } from '@linkspan/testkit/processes.ts';
import { expect, it } from 'vitest';

const SOURCE_ORG = '5f00000000000000000000aa';
const KEY = { publicKey: 'opsmngrx', privateKey: 'b3a9e7f0-1111-4222-8333-444455556666' };
const LINK = `/api/public/v1.0/orgs/${SOURCE_ORG}/liveExport/migrationLink`;
const VERSION = '2023-01-01';

async function startUnlinkedAgent(side: DestinationSide) {
  const config = join(side.directory, 'agent.yaml');
  const deployments = [{ name: SOURCE_DEPLOYMENT, uri: side.source.uri }];
  const projects = [{ id: SOURCE_PROJECT, name: 'Tests', deployments }];
  const admin = { adminPort: 0, adminOrgId: SOURCE_ORG, adminPublicKey: KEY.publicKey };
  await writeFile(config, JSON.stringify({ hostname: MIGRATION_HOST, projects, ...admin }));
  return startAgent({
    args: ['--config', config, '--state-dir', join(side.directory, 'agent')],
    env: { LINKSPAN_AGENT_ADMIN_PRIVATE_KEY: KEY.privateKey },
  });
}

it('a client of the source side links an agent and unlinks it; the destination keeps everything', async () => {
  await using side = await startDestinationSide();
  await side.source.client().db('app').collection('rows').insertOne({ text: 'row' });
  await using agent = await startUnlinkedAgent(side);
  const { adminUrl, ...rest } = agent.ready as { adminUrl: string };
  expect(rest).toEqual({ hostname: MIGRATION_HOST });
  const organization = `/api/atlas/v2/orgs/${side.orgId}`;
  const linkTokens = `${organization}/liveMigrations/linkTokens`;
  const at = (path: string) => side.api.get<unknown>(path, { version: VERSION });
  const projects = async () => (await at(`${organization}/liveMigrations/availableProjects`)).body;
  const link = async () =>
    (await side.api.get<object>(`/api/linkspan/v1/orgs/${side.orgId}/liveMigrations/link`)).body;
  const keys = async () => (await at(`${organization}/apiKeys`)).body;

  const first = api(adminUrl, KEY);
  await using _first = first;
  expect((await first.get(`${LINK}/status`)).body).toEqual({ status: 'NOT_SYNCED' });
  const linked = await first.post(LINK, { body: { linkToken: side.linkToken } });
  expect(linked).toMatchObject({ status: 200, body: { status: 'SYNCED' } });
  await expect
    .poll(projects, { timeout: 30_000 })
    .toMatchObject([{ projectId: SOURCE_PROJECT, migrationHosts: [MIGRATION_HOST] }]);
  expect(await link()).toMatchObject({ state: 'LINKED' });
  const id = await side.start();
  await side.until(id, 'ready for cutover', ({ readyForCutover }) => readyForCutover);
  const keysBefore = await keys();

  expect((await first.delete(LINK)).status).toBe(204);

  expect(await link()).toMatchObject({
    state: 'NOT_SYNCED',
    migrationHosts: [{ hostname: MIGRATION_HOST, unlinked: expect.any(String) }],
    impact: { liveMigrations: [{ id, status: 'WORKING' }] },
  });
  expect(await keys()).toEqual(keysBefore);
  expect(await side.describe(id)).toMatchObject({
    status: 'WORKING',
    readyForCutover: false,
    progress: { waitingFor: 'The migration host was unlinked from the source side.' },
  });
  expect(await projects()).toEqual([]);
  expect((await first.get(`${LINK}/status`)).body).toEqual({ status: 'NOT_SYNCED' });

  // Started again, it waits: neither the link nor its credentials are there any more.
  await agent.restart();
  const again = api((agent.ready as { adminUrl: string }).adminUrl, KEY);
  await using _again = again;
  const used = await again.post(LINK, { body: { linkToken: side.linkToken } });
  expect(used).toMatchObject({ status: 400, body: { errorCode: 'VALIDATION_ERROR' } });
  expect((await side.api.delete(linkTokens, { version: VERSION })).status).toBe(204);
  const made = await side.api.post<{ linkToken: string }>(linkTokens, {
    version: VERSION,
    body: { accessListIps: [] },
  });
  const { linkToken } = made.body;
  expect((await again.post(LINK, { body: { linkToken } })).status).toBe(200);
  await expect.poll(projects, { timeout: 30_000 }).toHaveLength(1);
  expect(await link()).toMatchObject({ state: 'LINKED' });
  const log = await agent.log();
  for (const secret of [KEY.privateKey, side.linkToken, linkToken])
    expect(log).not.toContain(secret);
});
