import { afterEach, beforeEach, expect, test } from 'vitest';
import { answerTo, apiClient, type Credentials, send, textOf } from '../support/api.ts';
import { FREE_FAILURES } from '../../src/operations/signInBackoff.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let target: string;
let wrong: Credentials;
beforeEach(async () => {
  server = await startTestServer({ trustedProxies: '127.0.0.1' });
  target = `/api/atlas/v1.0/orgs/${server.orgId}`;
  wrong = { publicKey: server.owner.publicKey, privateKey: 'not-the-key' };
});
afterEach(() => server[Symbol.asyncDispose]());

interface Failure {
  readonly remoteAddress: string;
  readonly targetPublicKey: string;
  readonly raw: { readonly detail: { readonly count: number; readonly failure: string } };
}

async function failures(): Promise<readonly Failure[]> {
  const query = 'eventType=API_KEY_SIGN_IN_FAILED&includeRaw=true';
  const answer = await server.api.call('GET', `${target}/events?${query}`);
  return answer.json['results'] as Failure[];
}

test('C11: a challenge, a stale nonce and an unknown key are no events; a wrong answer is one', async () => {
  await send(server.url + target, 'GET');
  await send(server.url + target, 'GET', { headers: { authorization: 'Digest username="x"' } });
  const challenge = (await send(server.url + target, 'GET')).headers['www-authenticate'] ?? '';
  const twice = { authorization: answerTo(challenge, server.owner, 'GET', target) };
  await send(server.url + target, 'GET', { headers: twice });
  const replayed = await send(server.url + target, 'GET', { headers: twice });
  expect(replayed.headers['www-authenticate']).toContain('stale=true');
  await apiClient(server.url, { publicKey: 'nobodyxx', privateKey: 'x' }).call('GET', target);
  expect(await failures()).toEqual([]);
  const answer = await apiClient(server.url, wrong).call('GET', target);
  expect(answer.status).toBe(401);
  await expect.poll(failures).toMatchObject([
    {
      raw: { detail: { count: 1, failure: 'WRONG_SECRET' } },
      remoteAddress: '127.0.0.1',
      targetPublicKey: server.owner.publicKey,
    },
  ]);
});

test('C11: an address that is not on the access list is one, without slowing the key down', async () => {
  const made = await server.api.call('POST', `${target}/apiKeys`, {
    body: { desc: 'elsewhere', roles: ['ORG_MEMBER'] },
  });
  const list = `${target}/apiKeys/${textOf(made, 'id')}/accessList`;
  await server.api.call('POST', list, { body: [{ ipAddress: '198.51.100.7' }] });
  const other = apiClient(server.url, made.json as unknown as Credentials);
  for (let index = 0; index < 15; index += 1) {
    expect((await other.call('GET', target)).status).toBe(403);
  }
  await expect.poll(failures).toMatchObject([
    {
      raw: { detail: { count: 1, failure: 'ADDRESS_NOT_ON_ACCESS_LIST' } },
      targetPublicKey: textOf(made, 'publicKey'),
    },
  ]);
});

test('C11: whoever keeps failing waits, whether the key exists or not; the right key elsewhere does not', async () => {
  for (const publicKey of [server.owner.publicKey, 'nobodyxx']) {
    const guessing = apiClient(server.url, { publicKey, privateKey: 'a guess' });
    for (let index = 0; index < FREE_FAILURES; index += 1) {
      expect((await guessing.call('GET', target)).status).toBe(401);
    }
    let slowed = await guessing.call('GET', target);
    let longest = 1;
    // On a busy machine the first waits may be over before the next guess; each is twice the one before.
    for (; slowed.status === 401 && longest < 60; longest *= 2) {
      slowed = await guessing.call('GET', target);
    }
    expect(slowed.status).toBe(429);
    const wait = slowed.headers['retry-after'];
    expect(Number(wait)).toBeGreaterThanOrEqual(1);
    expect(Number(wait)).toBeLessThanOrEqual(longest);
    expect(slowed.headers['ratelimit-limit']).toBeUndefined();
    expect(slowed.json).toEqual({
      detail: `Too many sign-ins with these credentials have failed from address 127.0.0.1. Please retry after ${wait} seconds.`,
      error: 429,
      errorCode: 'TOO_MANY_FAILED_SIGN_INS',
      parameters: ['127.0.0.1', wait],
      reason: 'Too Many Requests',
    });
  }
  const elsewhere = { headers: { 'x-forwarded-for': '203.0.113.9' } };
  expect((await server.api.call('GET', target, elsewhere)).status).toBe(200);
});
