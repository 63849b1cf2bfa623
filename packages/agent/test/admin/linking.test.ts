import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, test } from 'vitest';

import { LinkRefusedError } from '../../src/push/errors.ts';
import {
  KEY,
  LINK,
  startAdminHost,
  startTestServer,
  STATUS,
  tokenOf,
  type TestServer,
} from '../support/adminHost.ts';

let server: TestServer;
beforeEach(async () => {
  server = await startTestServer();
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
});

const linking = (linkToken: string) => ({ body: { linkToken } });
const paths = () => server.pushed.map(({ path }) => path);

test('a host waits unlinked, is linked, and unlinked: told, forgotten, and its token is used', async () => {
  await using host = await startAdminHost();
  expect(await host.status()).toBe('NOT_SYNCED');
  const linked = await host.call('POST', LINK, linking(server.token()));
  expect([linked.status, linked.text]).toEqual([200, '{"status":"SYNCED"}']);
  expect(await host.status()).toBe('SYNCED');
  const { hostId, hostSecret } = (server.pushed[0]?.message ?? {}) as Record<string, string>;

  const again = await host.call('POST', LINK, linking(server.token('two')));
  expect(again.status).toBe(409);
  expect(again.text).toContain('MIGRATION_HOST_ALREADY_LINKED');
  expect(again.text).toContain('Unlink it first (DELETE ');

  const unlinked = await host.call('DELETE', LINK);
  expect([unlinked.status, unlinked.text]).toEqual([204, '']);
  expect(paths()).toEqual(['/hosts', '/unlink']);
  expect(server.pushed[1]).toMatchObject({
    authorization: `Bearer ${hostId}.${hostSecret}`,
    message: {},
  });
  expect(await host.status()).toBe('NOT_SYNCED');
  expect(host.state()).not.toContain(hostSecret);

  const nothing = await host.call('DELETE', LINK);
  expect(nothing.status).toBe(404);
  expect(JSON.parse(nothing.text)).toMatchObject({
    errorCode: 'UNEXPECTED_ERROR',
    detail: 'Could not find the requested external organization link.',
    parameters: null,
  });
  const used = await host.call('POST', LINK, linking(server.token()));
  expect(used.status).toBe(400);
  expect(used.text).toContain('was unlinked from this side: ask for a new one');
  expect((await host.call('POST', LINK, linking(server.token('two')))).status).toBe(200);
  expect(server.pushed.at(-1)?.message['hostId']).not.toBe(hostId);
  const deleted = await host.call('DELETE', `${LINK}?envelope=true`);
  expect([deleted.status, deleted.text]).toEqual([200, '{"content":{},"status":204}']);

  for (const secret of [hostSecret, KEY.privateKey, server.token(), server.token('two')]) {
    expect(host.log()).not.toContain(secret);
  }
});

test('where the server cannot be told, the credentials are forgotten all the same, and the log says so', async () => {
  await using host = await startAdminHost({ farewellPatienceMs: 200 });
  await host.call('POST', LINK, linking(server.token()));
  server.answers.set('/unlink', async () => null);
  expect((await host.call('DELETE', LINK)).status).toBe(204);
  expect(paths().filter((path) => path === '/unlink').length).toBeGreaterThan(0);
  expect(host.state()).toContain('"UNLINKED"');
  expect(host.state()).not.toContain('hostSecret');
  expect(host.log()).toContain('the server could not be told that this host is unlinked');
});

test('a server that does not know the message, or the host any more, is asked once', async () => {
  await using host = await startAdminHost();
  for (const [status, errorCode, isWarned] of [
    [401, 'LINK_REFUSED', false],
    [404, 'RESOURCE_NOT_FOUND', true],
  ] as const) {
    server.pushed.length = 0;
    await host.call('POST', LINK, linking(server.token(errorCode)));
    server.answers.set('/unlink', async () => [status, { errorCode, detail: 'no' }]);
    expect((await host.call('DELETE', LINK)).status).toBe(204);
    expect(paths()).toEqual(['/hosts', '/unlink']);
    expect(host.log().includes('could not be told')).toBe(isWarned);
  }
});

test('links and unlinks take turns, and two unlinks end the same link', async () => {
  await using host = await startAdminHost();
  const asked = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  server.answers.set('/hosts', async () => {
    asked.resolve();
    await release.promise;
    return [200, { orgId: 'a'.repeat(24), linkId: 'c'.repeat(24), heartbeatSeconds: 1 }];
  });
  const first = host.link.link(server.token());
  await asked.promise;
  const unlinks = [host.link.unlink(), host.link.unlink()];
  const second = host.link.link(server.token('two'));
  release.resolve();
  await first;
  expect(await Promise.all(unlinks)).toEqual([true, true]);
  await second;
  expect(paths()).toEqual(['/hosts', '/unlink', '/hosts']);
  expect(host.link.isSynced).toBe(true);
});

test('DELETE ends the wait for the server of the first link-token', async () => {
  const linkToken = tokenOf('http://127.0.0.1:1', 'lost');
  await using host = await startAdminHost({ linkToken, farewellPatienceMs: 100 });
  expect((await host.call('POST', LINK, linking(server.token()))).status).toBe(409);
  expect((await host.call('DELETE', LINK)).status).toBe(204);
  expect((await host.call('POST', LINK, linking(server.token()))).status).toBe(200);
});

test('a link that the server refuses is forgotten, and the host waits for another link-token', async () => {
  await using host = await startAdminHost({ linkToken: server.token() });
  await expect.poll(() => host.status()).toBe('SYNCED');
  host.works[0]?.fail(new LinkRefusedError('The link was removed.'));
  await expect.poll(() => host.status()).toBe('NOT_SYNCED');
  expect(host.state()).toContain('"REFUSED"');
  expect((await host.call('DELETE', LINK)).status).toBe(404);
  expect((await host.call('POST', LINK, linking(server.token('two')))).status).toBe(200);
  expect(host.works).toHaveLength(2);
});

test('killed after the server was told, a host finds its link refused when it starts again', async () => {
  const first = await startAdminHost({ linkToken: server.token() });
  await expect.poll(() => first.works.length).toBe(1);
  // As SIGKILL would: the credentials are still there, the server refuses them.
  const path = first.path;
  await first.stop();
  await using host = await startAdminHost({
    path,
    work: async () => {
      throw new LinkRefusedError('This migration host was unlinked from the source side.');
    },
  });
  await expect.poll(() => host.state()).toContain('"REFUSED"');
  expect(await host.status()).toBe('NOT_SYNCED');
});

test('a host that cannot note the end of its link ends with the reason', async () => {
  await using host = await startAdminHost({ linkToken: server.token() });
  await expect.poll(() => host.works.length).toBe(1);
  writeFileSync(join(host.path, 'link.json'), 'damaged');
  host.works[0]?.fail(new LinkRefusedError('The link was removed.'));
  expect(String(await host.ended)).toContain('link.json is damaged');
});

test('without an admin port the same host ends: with a refused link, and without a link-token', async () => {
  await using host = await startAdminHost({ linkToken: server.token(), onUnlinked: null });
  await expect.poll(() => host.works.length).toBe(1);
  host.works[0]?.fail(new LinkRefusedError('The link was removed.'));
  expect(await host.ended).toBeInstanceOf(LinkRefusedError);
  await using unlinked = await startAdminHost({ onUnlinked: null });
  expect((await unlinked.ended)?.message).toContain('no link-token was given');
});

test('a POST under way when the agent stops is answered', async () => {
  const host = await startAdminHost();
  const asked = Promise.withResolvers<void>();
  server.answers.set('/hosts', async () => {
    asked.resolve();
    return await new Promise(() => undefined);
  });
  const post = host.call('POST', LINK, linking(server.token()));
  await asked.promise;
  await host[Symbol.asyncDispose]();
  const { status, text } = await post;
  expect(status).toBe(503);
  expect(text).toContain('the agent is stopping');
  await expect(host.call('GET', STATUS)).rejects.toThrow();
});
