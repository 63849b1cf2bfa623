import { afterAll, beforeAll, expect, test } from 'vitest';
import type { HttpAnswer } from '../src/client.ts';
import { CONTRACT } from '../src/contract.ts';
import { listAt, textAt, uniqueName } from '../src/setup.ts';
import { type Lab, startLab } from './lab.ts';

/** Errors of the token endpoints that no request here leads to. */
const NOT_HERE: Readonly<Record<string, string>> = {
  invalid_grant: 'for grants that are a code or a refresh token',
  access_denied: 'after 100 live tokens, more than the rate limit lets through: tests of tokens do',
  server_error: 'a fault of the server itself, which no request may cause',
};

let lab: Lab;
beforeAll(async () => {
  lab = await startLab();
});
afterAll(() => lab[Symbol.asyncDispose]());

interface Client {
  readonly clientId: string;
  readonly secret: string;
}

async function newClient(): Promise<Client> {
  const made = await lab.owner.call('POST', `/orgs/${lab.orgId}/serviceAccounts`, {
    name: uniqueName('account'),
    description: 'made by a test',
    roles: ['ORG_MEMBER'],
    secretExpiresAfterHours: 8,
  });
  const secret = textAt(listAt(made, 'secrets')[0] ?? {}, 'secret');
  return { clientId: textAt(made, 'clientId'), secret };
}

function post(path: string, { clientId, secret }: Client, body: string): Promise<HttpAnswer> {
  const basic = `${encodeURIComponent(clientId)}:${encodeURIComponent(secret)}`;
  return lab.client.send(null, {
    method: 'POST',
    path,
    body,
    headers: {
      accept: 'application/json',
      authorization: `Basic ${Buffer.from(basic).toString('base64')}`,
      'content-type': 'application/x-www-form-urlencoded',
    },
  });
}

const token = (client: Client, body = 'grant_type=client_credentials') =>
  post('/api/oauth/token', client, body);

test('a token opens what its account may, until it is revoked', async () => {
  const client = await newClient();
  const answer = await token(client);
  expect(answer.status).toBe(200);
  const body = JSON.parse(answer.text) as Record<string, unknown>;
  expect(Object.keys(body).toSorted()).toEqual(['access_token', 'expires_in', 'token_type']);
  expect(body).toMatchObject({ expires_in: 3600, token_type: 'Bearer' });
  const as = { kind: 'bearer', token: textAt(body, 'access_token') } as const;
  expect((await lab.call('GET', `/orgs/${lab.orgId}`, { as })).status).toBe(200);

  const form = `token=${as.token}&token_type_hint=access_token`;
  const revoked = await post('/api/oauth/revoke', client, form);
  expect([revoked.status, revoked.text]).toEqual([200, '']);
  const refused = await lab.call('GET', `/orgs/${lab.orgId}`, { as });
  expect(refused.status).toBe(401);
  expect(refused.headers['www-authenticate']).toBe('Bearer error="invalid_token"');
});

test('every error of the token endpoints is obtained, or listed with the reason why not', async () => {
  const client = await newClient();
  const wrong = { ...client, secret: 'wrong' };
  const limited = async () => {
    for (let count = 0; count < 10; count += 1) await token(wrong);
    return token(client);
  };
  const obtained: Readonly<Record<string, () => Promise<HttpAnswer>>> = {
    invalid_request: () => token(client, 'scope=all'),
    unsupported_grant_type: () => token(client, 'grant_type=password'),
    invalid_client: () => token(wrong),
    rate_limited: limited,
  };
  const errors = CONTRACT.oauth.flatMap((operation) =>
    typeof operation.errors === 'string' ? [] : operation.errors,
  );
  for (const { status, error } of errors) {
    const answer = await obtained[error]?.();
    if (answer === undefined) {
      expect(NOT_HERE).toHaveProperty(error);
    } else {
      expect([answer.status, JSON.parse(answer.text)]).toEqual([
        status,
        { error, error_description: expect.any(String) as string },
      ]);
    }
  }
});
