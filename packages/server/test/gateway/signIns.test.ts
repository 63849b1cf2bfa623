import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/config.ts';
import { makeLogger } from '../../src/config/logger.ts';
import { timestamp } from '../../src/domain/time.ts';
import { createGateway } from '../../src/gateway/gateway.ts';
import { initOrganization } from '../../src/init.ts';
import { type RunningServer, startServer } from '../../src/main.ts';
import type { Store } from '../../src/store/store.ts';
import { type Api, apiClient, textOf } from '../support/api.ts';
import { TestHost } from './push.ts';

let dataDirectory: string;
let server: RunningServer;
let store: Store;
let orgId: string;
let api: Api;
beforeEach(async () => {
  dataDirectory = mkdtempSync(join(tmpdir(), 'linkspan-sign-ins-'));
  const made = await initOrganization({ dataDirectory, masterKeyFile: null }, 'Organization');
  orgId = made.organization.id;
  server = await startServer({
    config: loadConfig({ dataDir: dataDirectory, port: '0', linkTokenHours: '2' }, {}),
    log: makeLogger('silent'),
    createGateway: (dependencies) => {
      store = dependencies.store;
      return createGateway(dependencies);
    },
  });
  api = apiClient(server.url, made.apiKey);
});
afterEach(async () => {
  await server.close();
  rmSync(dataDirectory, { recursive: true });
});

async function newToken(accessListIps: readonly string[] = []): Promise<string> {
  const path = `/api/atlas/v1.0/orgs/${orgId}/liveMigrations/linkTokens`;
  return textOf(await api.call('POST', path, { body: { accessListIps } }), 'linkToken');
}

/** What the events tell of sign-ins that failed, the oldest first. */
async function failures(): Promise<unknown[]> {
  const types = 'LIVE_MIGRATION_LINK_TOKEN_REFUSED,LIVE_MIGRATION_HOST_SIGN_IN_FAILED';
  const query = `eventType=${types}&includeRaw=true`;
  const answer = await api.call('GET', `/api/atlas/v1.0/orgs/${orgId}/events?${query}`);
  const results = answer.json['results'] as {
    readonly raw: { readonly detail: object; readonly targetId: string };
  }[];
  return results.toReversed().map(({ raw: { detail, targetId }, ...event }) => ({
    ...event,
    ...detail,
    targetId,
  }));
}

test('C11: a link-token that another host has used up is told of, one that nobody made is not', async () => {
  const token = await newToken();
  const [first, second] = [new TestHost(() => server.url), new TestHost(() => server.url)];
  expect((await first.register(token)).status).toBe(200);
  expect((await second.register(`${token}x`)).code).toBe('LINK_TOKEN_REFUSED');
  expect(await failures()).toEqual([]);
  expect((await second.register(token)).code).toBe('LINK_TOKEN_REFUSED');
  const link = await store.db.selectFrom('links').select('id').executeTakeFirstOrThrow();
  await expect.poll(failures).toMatchObject([
    {
      eventTypeName: 'LIVE_MIGRATION_LINK_TOKEN_REFUSED',
      remoteAddress: '127.0.0.1',
      failure: 'USED_BY_ANOTHER_HOST',
      resourceType: 'link',
      targetId: link.id,
      count: 1,
    },
  ]);
});

test('C11: a link-token that is too old, or comes from elsewhere, is told of', async () => {
  const token = await newToken(['192.0.2.1']);
  const host = new TestHost(() => server.url);
  expect((await host.register(token)).code).toBe('LINK_TOKEN_REFUSED');
  const past = timestamp(new Date(0));
  const change = { access_list: '[]', token_expires_at: past };
  await store.db.updateTable('links').set(change).execute();
  expect((await host.register(token)).code).toBe('LINK_TOKEN_REFUSED');
  await expect
    .poll(failures)
    .toMatchObject([{ failure: 'ADDRESS_NOT_ON_ACCESS_LIST' }, { failure: 'EXPIRED' }]);
});

test('C5: a link-token says when it expires, is good until then, and used up by its first host', async () => {
  const shown = async () => {
    const link = await api.call('GET', `/api/linkspan/v1/orgs/${orgId}/liveMigrations/link`);
    return link.json['linkTokenExpires'];
  };
  const before = Date.now();
  const token = await newToken();
  const expires = Date.parse(String(await shown()));
  expect(expires - before).toBeGreaterThan(2 * 3_600_000 - 2000);
  expect(expires - Date.now()).toBeLessThanOrEqual(2 * 3_600_000);
  const event = 'eventType=LIVE_MIGRATION_LINK_TOKEN_CREATED&includeRaw=true';
  const events = await api.call('GET', `/api/atlas/v1.0/orgs/${orgId}/events?${event}`);
  expect(events.text).toContain(String(await shown()));
  const moment = (token_expires_at: Date) =>
    store.db
      .updateTable('links')
      .set({ token_expires_at: timestamp(token_expires_at) })
      .execute();
  const host = new TestHost(() => server.url);
  await moment(new Date());
  expect((await host.register(token)).code).toBe('LINK_TOKEN_REFUSED');
  await moment(new Date(Date.now() + 60_000));
  expect((await host.register(token)).status).toBe(200);
  // The same host may ask again, also later; it is linked, and no other is.
  await moment(new Date(0));
  expect((await host.register(token)).status).toBe(200);
  expect(await shown()).toBe(null);
  expect((await new TestHost(() => server.url).register(token)).code).toBe('LINK_TOKEN_REFUSED');
});

test('C11: a host with a wrong secret, or from elsewhere, is told of; an unknown one is not', async () => {
  const host = new TestHost(() => server.url);
  await host.register(await newToken());
  const work = { knownRevision: '', waitSeconds: 0 };
  const stranger = new TestHost(() => server.url);
  expect((await stranger.post('/work', work)).code).toBe('LINK_REFUSED');
  expect(await failures()).toEqual([]);
  const authorization = `Bearer ${host.hostId}.${stranger.hostSecret}`;
  expect((await host.post('/work', work, { authorization })).code).toBe('LINK_REFUSED');
  await store.db.updateTable('links').set({ access_list: '["192.0.2.1/32"]' }).execute();
  expect((await host.post('/work', work)).code).toBe('LINK_REFUSED');
  const common = {
    eventTypeName: 'LIVE_MIGRATION_HOST_SIGN_IN_FAILED',
    resourceType: 'migrationHost',
    targetId: host.hostId,
  };
  await expect.poll(failures).toMatchObject([
    { ...common, failure: 'WRONG_SECRET' },
    { ...common, failure: 'ADDRESS_NOT_ON_ACCESS_LIST' },
  ]);
});
