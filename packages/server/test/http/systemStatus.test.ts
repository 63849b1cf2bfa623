import { afterAll, beforeAll, expect, test } from 'vitest';
import { send } from '../support/api.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server[Symbol.asyncDispose]());

test.each(['/api/atlas/v2', '/api/atlas/v2/', '/api/atlas/v1.0', '/api/atlas/v1.0/'])(
  '%s tells what answers, and with which key it was asked',
  async (path) => {
    const entries = `/api/atlas/v2/orgs/${server.orgId}/apiKeys/${server.owner.id}/accessList`;
    await server.api.call('POST', entries, {
      body: [{ cidrBlock: '127.0.0.0/8' }, { ipAddress: '2001:db8::1' }],
    });
    const answer = await server.api.call('GET', path);
    expect(answer.status).toBe(200);
    const base = server.url + path.replace(/\/$/, '');
    expect(answer.json).toEqual({
      apiKey: {
        accessList: expect.arrayContaining([
          { cidrBlock: '127.0.0.0/8', ipAddress: null },
          { cidrBlock: '2001:db8:0:0:0:0:0:1/128', ipAddress: '2001:db8:0:0:0:0:0:1' },
        ]),
        id: server.owner.id,
        publicKey: server.owner.publicKey,
        roles: [{ orgId: server.orgId, roleName: 'ORG_OWNER' }],
      },
      appName: 'MongoDB Atlas',
      build: expect.stringMatching(/^\d+\.\d+\.\d+/),
      links: [
        { href: base, rel: 'self' },
        { href: `${base}/groups`, rel: 'https://cloud.mongodb.com/groups' },
        { href: `${base}/orgs`, rel: 'https://cloud.mongodb.com/orgs' },
      ],
      throttling: false,
    });
    const options = await send(server.url + path, 'OPTIONS');
    expect(options.headers.allow).toBe('GET, HEAD, OPTIONS');
  },
);
