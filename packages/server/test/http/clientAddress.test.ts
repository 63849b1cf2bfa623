import { afterAll, describe, expect, test } from 'vitest';
import { apiClient, textOf } from '../support/api.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

/** A key that is admitted from one address alone, and how a server sees a request. */
async function listed(server: TestServer, allowed: string) {
  const keys = `/api/atlas/v1.0/orgs/${server.orgId}/apiKeys`;
  const made = await server.api.call('POST', keys, {
    body: { desc: 'listed', roles: ['ORG_MEMBER'] },
  });
  const list = `${keys}/${textOf(made, 'id')}/accessList`;
  const added = await server.api.call('POST', list, { body: [{ cidrBlock: allowed }] });
  expect(added.status).toBe(200);
  const credentials = {
    publicKey: textOf(made, 'publicKey'),
    privateKey: textOf(made, 'privateKey'),
  };
  return async (forwarded?: string, url = server.url) => {
    const headers = forwarded === undefined ? undefined : { 'x-forwarded-for': forwarded };
    const answer = await apiClient(url, credentials).call(
      'GET',
      keys,
      headers === undefined ? {} : { headers },
    );
    if (answer.status === 200) return 'admitted';
    expect(answer.json).toMatchObject({ error: 403, errorCode: 'IP_ADDRESS_NOT_ON_ACCESS_LIST' });
    return (answer.json['parameters'] as string[])[0];
  };
}

const servers: TestServer[] = [];
afterAll(async () => {
  for (const server of servers) await server[Symbol.asyncDispose]();
});

async function start(flags: Record<string, string>): Promise<TestServer> {
  const server = await startTestServer({ rateLimits: 'false', ...flags });
  servers.push(server);
  return server;
}

describe('the address of a client', () => {
  test('comes from the socket where no proxy is configured, whatever the header says', async () => {
    const from = await listed(await start({}), '203.0.113.9/32');
    expect(await from()).toBe('127.0.0.1');
    expect(await from('203.0.113.9')).toBe('127.0.0.1');
    expect(await from('203.0.113.9, 127.0.0.1')).toBe('127.0.0.1');
  });

  test('comes from the socket where the peer is not a configured proxy', async () => {
    const from = await listed(await start({ trustedProxies: '192.0.2.0/24' }), '203.0.113.9/32');
    expect(await from('203.0.113.9')).toBe('127.0.0.1');
    expect(await from('203.0.113.9, 192.0.2.1')).toBe('127.0.0.1');
  });

  test('is the last one in the header that no configured proxy has', async () => {
    const server = await start({ trustedProxies: '127.0.0.1, 192.0.2.0/24, 2001:db8:1::/48' });
    const from = await listed(server, '203.0.113.9/32');
    expect(await from('203.0.113.9')).toBe('admitted');
    expect(await from('203.0.113.9, 192.0.2.1')).toBe('admitted');
    expect(await from('203.0.113.9, 2001:db8:1::7, 192.0.2.1')).toBe('admitted');
    expect(await from('::ffff:203.0.113.9')).toBe('admitted');
    // What stands before it was written by whoever sent the request.
    expect(await from('203.0.113.9, 198.51.100.1')).toBe('198.51.100.1');
    expect(await from('203.0.113.9, 198.51.100.1, 192.0.2.1')).toBe('198.51.100.1');
    expect(await from('203.0.113.9, 192.0.2.1, 198.51.100.1')).toBe('198.51.100.1');
    expect(await from('203.0.113.9, 2001:db8:2::1')).toBe('2001:db8:2::1');
    expect(await from('192.0.2.1')).toBe('192.0.2.1');
    expect(await from('203.0.113.9, unknown')).toBe('unknown');
    expect(await from(`203.0.113.9, ${'x'.repeat(5000)}`)).toBe('unknown');
    // Some proxies add the port.
    expect(await from('203.0.113.9:4711')).toBe('admitted');
    expect(await from('198.51.100.1:4711')).toBe('198.51.100.1');
    expect(await from()).toBe('127.0.0.1');
  });

  test('is an IPv4 address also on a socket that speaks both', async () => {
    const server = await start({ host: '::', trustedProxies: '127.0.0.1, ::1' });
    const { port } = new URL(server.url);
    const from = await listed(server, '2001:DB8::/32');
    expect(await from(undefined, `http://127.0.0.1:${port}`)).toBe('127.0.0.1');
    expect(await from('2001:db8::5', `http://127.0.0.1:${port}`)).toBe('admitted');
    expect(await from('2001:DB8:0:0::5', `http://[::1]:${port}`)).toBe('admitted');
    expect(await from('2001:db9::5', `http://[::1]:${port}`)).toBe('2001:db9::5');
  });
});

describe('entries of an access list', () => {
  test('are found by their escaped block and in any spelling of IPv6', async () => {
    const server = await start({});
    const keys = `/api/atlas/v1.0/orgs/${server.orgId}/apiKeys`;
    const made = await server.api.call('POST', keys, {
      body: { desc: 'listed', roles: ['ORG_MEMBER'] },
    });
    const id = textOf(made, 'id');
    const list = `${keys}/${id}/accessList`;
    const add = (body: unknown) => server.api.call('POST', list, { body });
    const added = await add([
      { cidrBlock: '2001:DB8:0::/48' },
      { ipAddress: '2001:db8::7' },
      { ipAddress: '::ffff:192.0.2.9' },
    ]);
    expect(added.json['totalCount']).toBe(3);
    expect(added.json['results']).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ cidrBlock: '192.0.2.9/32', ipAddress: '192.0.2.9' }),
        expect.objectContaining({ cidrBlock: '2001:db8::/48' }),
        // The specified pattern of an address has all of its groups.
        expect.objectContaining({
          cidrBlock: '2001:db8:0:0:0:0:0:7/128',
          ipAddress: '2001:db8:0:0:0:0:0:7',
        }),
      ]),
    );
    for (const name of [
      '2001:db8::%2F48',
      '2001:db8:0:0::%2f48',
      '2001:DB8::7',
      '192.0.2.9%2F32',
    ]) {
      expect((await server.api.call('GET', `${list}/${name}`)).status).toBe(200);
    }
    const none = await server.api.call('DELETE', `${list}/192.0.2.0%2F24`);
    expect(none.status).toBe(404);
    expect(none.json).toMatchObject({
      detail: `IP address 192.0.2.0/24 not on whitelist for API key ${id}.`,
      errorCode: 'API_KEY_WHITELIST_NOT_FOUND',
    });
    // An official Go client puts the block into the path as it is: no such route, with Atlas too.
    const bare = await server.api.call('GET', `${list}/2001:db8::/48`);
    expect(bare.json).toMatchObject({ error: 404, errorCode: 'RESOURCE_NOT_FOUND' });
  });

  test('are not added twice, and none is when one of them is there', async () => {
    const server = await start({});
    const keys = `/api/atlas/v1.0/orgs/${server.orgId}/apiKeys`;
    const made = await server.api.call('POST', keys, {
      body: { desc: 'listed', roles: ['ORG_MEMBER'] },
    });
    const list = `${keys}/${textOf(made, 'id')}/accessList`;
    const add = (body: unknown) => server.api.call('POST', list, { body });
    const twice = await add([{ ipAddress: '192.0.2.7' }, { cidrBlock: '192.0.2.7/32' }]);
    expect(twice.json).toMatchObject({ error: 400, errorCode: 'DUPLICATE_ADDRESSES_IN_INPUT' });
    expect((await add([{ ipAddress: '192.0.2.7' }])).status).toBe(200);
    const again = await add([{ ipAddress: '192.0.2.8' }, { cidrBlock: '192.0.2.7/32' }]);
    expect(again.json).toMatchObject({
      detail: 'The address 192.0.2.7/32 is already on the whitelist.',
      error: 409,
      errorCode: 'ADDRESS_ALREADY_IN_WHITELIST',
    });
    expect((await server.api.call('GET', list)).json['totalCount']).toBe(1);
  });

  test('a key does not take the address that it calls from off its own list', async () => {
    const server = await start({});
    const list = `/api/atlas/v1.0/orgs/${server.orgId}/apiKeys/${server.owner.id}/accessList`;
    await server.api.call('POST', list, {
      body: [{ ipAddress: '192.0.2.7' }, { ipAddress: '127.0.0.1' }, { cidrBlock: '127.0.0.0/8' }],
    });
    // The other one still admits it.
    expect((await server.api.call('DELETE', `${list}/127.0.0.1`)).status).toBe(204);
    const last = await server.api.call('DELETE', `${list}/127.0.0.0%2F8`);
    expect(last.json).toMatchObject({
      detail: "Cannot remove caller's IP address 127.0.0.1 from whitelist.",
      error: 400,
      errorCode: 'CANNOT_REMOVE_CALLER_FROM_WHITELIST',
    });
    expect((await server.api.call('DELETE', `${list}/192.0.2.7`)).status).toBe(204);
    expect((await server.api.call('GET', list)).json['totalCount']).toBe(1);
  });
});
