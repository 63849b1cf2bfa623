import { api } from '@linkspan/testkit/digestClient.ts';
import { startDestinationSide } from '@linkspan/testkit/destinationSide.ts';
import { MIGRATION_HOST, SOURCE_PROJECT } from '@linkspan/testkit/migrationCalls.ts';
import { expect, it } from 'vitest';

import { ADMIN_KEY, SOURCE_ORG, startUnlinkedAgent } from './sourceSideAgent.ts';

const LINK = `/api/public/v1.0/orgs/${SOURCE_ORG}/liveExport/migrationLink`;
const VERSION = '2023-01-01';

it('a client of the source side links an agent, unlinks it and links it again; the destination keeps everything', async () => {
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

  const first = api(adminUrl, ADMIN_KEY);
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
  const again = api((agent.ready as { adminUrl: string }).adminUrl, ADMIN_KEY);
  await using _again = again;
  const used = await again.post(LINK, { body: { linkToken: side.linkToken } });
  expect(used).toMatchObject({ status: 400, body: { errorCode: 'VALIDATION_ERROR' } });

  // As another host of the same link it goes on with what it had.
  await side.source.client().db('app').collection('rows').insertOne({ text: 'while unlinked' });
  const hosts = `/api/linkspan/v1/orgs/${side.orgId}/liveMigrations/link/hosts`;
  const further = (await side.api.post<{ linkToken: string }>(hosts, { body: {} })).body.linkToken;
  expect((await again.post(LINK, { body: { linkToken: further } })).status).toBe(200);
  const { warnings } = await side.until(
    id,
    'ready for cutover on the host that was linked again',
    ({ readyForCutover }) => readyForCutover,
  );
  expect(warnings.join()).toContain('was unlinked from the source side');
  expect(await link()).toMatchObject({
    state: 'LINKED',
    migrationHosts: [
      { hostname: MIGRATION_HOST, unlinked: expect.any(String), liveMigrations: 0 },
      { hostname: MIGRATION_HOST, unlinked: null, liveMigrations: 1 },
    ],
  });
  await side.cutOver(id);
  expect(
    await side.destination.client().db('app').collection('rows').countDocuments(),
    'what came while nobody followed the source is there',
  ).toBe(2);

  expect((await again.delete(LINK)).status).toBe(204);
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
  for (const secret of [ADMIN_KEY.privateKey, side.linkToken, further, linkToken])
    expect(log).not.toContain(secret);
});
