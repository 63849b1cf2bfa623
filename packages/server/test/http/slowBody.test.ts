import { type IncomingMessage, request as httpRequest } from 'node:http';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { answerTo, apiClient, type Credentials, send, textOf } from '../support/api.ts';
import { makeClient, newToken } from '../support/oauth.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let path: string;
beforeAll(async () => {
  server = await startTestServer();
  path = `/api/atlas/v1.0/orgs/${server.orgId}/apiKeys`;
});
afterAll(() => server[Symbol.asyncDispose]());

const BODY = JSON.stringify({ desc: 'late', roles: ['ORG_OWNER'] });

/** Sends all but the body's end, does something else, then sends that. */
async function postSlowly(authorization: string, meanwhile: () => Promise<unknown>) {
  const headers = { authorization, 'content-type': 'application/json' };
  const call = httpRequest(server.url + path, {
    method: 'POST',
    agent: false,
    headers: { ...headers, 'content-length': `${BODY.length}` },
  });
  const answered = new Promise<IncomingMessage>((resolve, reject) => {
    call.on('error', reject);
    call.on('response', resolve);
  });
  await new Promise<void>((resolve) => {
    call.write(BODY.slice(0, 5), () => resolve());
  });
  await server.api.call('GET', path);
  await meanwhile();
  call.end(BODY.slice(5));
  const answer = await answered;
  return { status: answer.statusCode, text: (await answer.toArray()).join('') };
}

async function makeKey(): Promise<Credentials & { readonly id: string }> {
  const made = await server.api.call('POST', path, { body: { desc: 'k', roles: ['ORG_OWNER'] } });
  const { json } = made;
  return { ...(json as unknown as Credentials), id: textOf(made, 'id') };
}

async function digestOf(key: Credentials): Promise<string> {
  const challenge = (await send(server.url + path, 'POST')).headers['www-authenticate'] ?? '';
  return answerTo(challenge, key, 'POST', path);
}

test('C6: a key that is removed while its body comes does nothing any more', async () => {
  const key = await makeKey();
  const answer = await postSlowly(await digestOf(key), () =>
    server.api.call('DELETE', `${path}/${key.id}`),
  );
  expect(answer.status).toBe(401);
});

test('C6: a role that is taken away meanwhile is gone', async () => {
  const key = await makeKey();
  const answer = await postSlowly(await digestOf(key), () =>
    server.api.call('PATCH', `${path}/${key.id}`, { body: { roles: ['ORG_MEMBER'] } }),
  );
  expect(answer).toMatchObject({ status: 401, text: expect.stringContaining('USER_UNAUTHORIZED') });
});

test('C6: an access list that is made meanwhile counts', async () => {
  const key = await makeKey();
  const answer = await postSlowly(await digestOf(key), () =>
    server.api.call('POST', `${path}/${key.id}/accessList`, { body: [{ ipAddress: '192.0.2.1' }] }),
  );
  expect(answer.status).toBe(403);
});

test('C6: an access token ends meanwhile with its secret', async () => {
  const client = await makeClient(server);
  const token = await newToken(server.url, client);
  const accounts = `/api/atlas/v2/orgs/${server.orgId}/serviceAccounts/${client.clientId}`;
  const answer = await postSlowly(`Bearer ${token}`, () =>
    server.api.call('DELETE', `${accounts}/secrets/${client.secretId}`),
  );
  expect(answer.status).toBe(401);
});

test('a body that comes slowly is taken from whoever may still send it', async () => {
  const key = await makeKey();
  await server.api.call('POST', `${path}/${key.id}/accessList`, {
    body: [{ cidrBlock: '127.0.0.0/8' }],
  });
  expect((await postSlowly(await digestOf(key), async () => {})).status).toBe(200);
  expect((await apiClient(server.url, key).call('GET', path)).text).toContain('late');
});

test.each([
  ['that nobody signed', '', BODY.length, 401, 'UNEXPECTED_ERROR'],
  ['that is too large', 'owner', 2 * 1024 * 1024, 413, 'PAYLOAD_TOO_LARGE'],
])(
  'a body %s is read to its end before the connection is closed, so that its sender sees why',
  async (_what, caller, size, status, code) => {
    const authorization = caller === '' ? {} : { authorization: await digestOf(server.owner) };
    const call = httpRequest(server.url + path, {
      method: 'POST',
      agent: false,
      headers: { ...authorization, connection: 'close', 'content-length': `${size}` },
    });
    let answer: IncomingMessage | null = null;
    const answered = new Promise<void>((resolve, reject) => {
      call.on('error', reject);
      call.on('response', (came) => {
        answer = came;
        resolve();
      });
    });
    await new Promise<void>((resolve) => {
      call.write('x', () => resolve());
    });
    for (let others = 0; others < 3; others += 1) await server.api.call('GET', path);
    expect(answer).toBe(null);
    call.end(Buffer.alloc(size - 1, 'x'));
    await answered;
    const text = (await (answer as unknown as IncomingMessage).toArray()).join('');
    expect(answer).toMatchObject({ statusCode: status });
    expect(JSON.parse(text)).toMatchObject({ errorCode: code });
  },
);
