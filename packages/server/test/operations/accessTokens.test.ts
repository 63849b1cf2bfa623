import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeProtectedHeader } from 'jose';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { newId } from '../../src/domain/ids.ts';
import { secretHash } from '../../src/domain/keyPair.ts';
import { newClientId, newClientSecret } from '../../src/domain/serviceAccount.ts';
import { timestamp } from '../../src/domain/time.ts';
import { AccessTokens, type AuthenticClient } from '../../src/operations/accessTokens.ts';
import { createDirectory, type Directory } from '../../src/operations/directory.ts';
import { openStore } from '../../src/store/open.ts';
import * as organizations from '../../src/store/organizations.ts';
import * as serviceAccounts from '../../src/store/serviceAccounts.ts';
import * as secrets from '../../src/store/serviceAccountSecrets.ts';
import * as signingKeys from '../../src/store/signingKeys.ts';
import type { Store } from '../../src/store/store.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
const START = Date.parse('2026-01-01T00:00:00Z');

const clientId = newClientId();
const secret = newClientSecret();
let dataDirectory: string;
let store: Store;
let now: number;
let issuer: string;
let tokens: AccessTokens;
let directory: Directory;

beforeEach(async () => {
  dataDirectory = mkdtempSync(join(tmpdir(), 'linkspan-tokens-'));
  store = await openStore({ dataDirectory, masterKeyFile: null });
  now = START;
  issuer = 'https://linkspan.example.com';
  tokens = makeTokens();
  directory = createDirectory(store, () => now);
  const orgId = newId();
  const created_at = timestamp(new Date(now));
  await store.transaction(async (tx) => {
    await organizations.insert(tx, {
      id: orgId,
      name: 'Org',
      created_at,
      settings: '{}',
      kept: '{}',
    });
    await serviceAccounts.insert(tx, {
      client_id: clientId,
      org_id: orgId,
      name: 'Client',
      description: 'A test',
      created_at,
    });
    await secrets.insert(tx, {
      id: newId(),
      client_id: clientId,
      secret_hash: secretHash(secret),
      secret_suffix: secret.slice(-4),
      created_at,
      expires_at: timestamp(new Date(now + 60 * DAY_MS)),
      last_used_at: null,
    });
  });
});
afterEach(async () => {
  await store.close();
  rmSync(dataDirectory, { recursive: true });
});

function makeTokens(): AccessTokens {
  return new AccessTokens(store, {
    issuer: () => issuer,
    rotationMs: 30 * DAY_MS,
    now: () => now,
  });
}

async function issue(by = tokens): Promise<string> {
  return by.issue((await by.authenticate({ clientId, secret })) as AuthenticClient);
}

/** Whether a token opens anything: signed here, and live in the store. */
async function opens(token: string, by = tokens): Promise<boolean> {
  const read = await by.read(token);
  if (read === null || read.expired) return false;
  return (await directory.findAccount(read.clientId, read.tokenId))?.tokenIsLive === true;
}

async function keyIds(): Promise<string[]> {
  return (await signingKeys.list(store.db)).map((key) => key.id);
}

test('keys are rotated: an older one verifies until its last token has expired, then it goes', async () => {
  const first = await issue();
  const [old] = await keyIds();
  expect(decodeProtectedHeader(first).kid).toBe(old);
  now += 30 * DAY_MS - 1;
  const last = await issue();
  expect(decodeProtectedHeader(last).kid).toBe(old);
  now += 1;
  const next = await issue();
  const [young] = await keyIds();
  expect(young).not.toBe(old);
  expect(decodeProtectedHeader(next).kid).toBe(young);
  expect(await keyIds()).toEqual([young, old]);
  expect(await opens(first)).toBe(false);
  expect(await opens(last)).toBe(true);
  // Another node, or this one after a start, has the keys from the store.
  expect(await opens(last, makeTokens())).toBe(true);
  now += 60 * MINUTE_MS;
  expect(await opens(last)).toBe(false);
  await issue();
  expect(await keyIds()).toEqual([young, old]);
  now += 1;
  await issue();
  expect(await keyIds()).toEqual([young]);
  expect(await makeTokens().read(last)).toBeNull();
});

test('a token expires to the second, in its signature and in the store', async () => {
  const token = await issue();
  now += 60 * MINUTE_MS - 1;
  expect(await opens(token)).toBe(true);
  now += 1;
  expect(await tokens.read(token)).toMatchObject({ clientId, expired: true });
  const read = await tokens.read(token);
  const account = await directory.findAccount(clientId, read?.tokenId ?? '');
  expect(account?.tokenIsLive).toBe(false);
});

test('tokens that have expired make room, and leave no row', async () => {
  for (let index = 0; index < 100; index += 1) await issue();
  await expect(issue()).rejects.toMatchObject({ status: 403, code: 'access_denied' });
  now += 60 * MINUTE_MS;
  await issue();
  const rows = await store.db.selectFrom('access_tokens').select('id').execute();
  expect(rows).toHaveLength(1);
});

test('a token of another issuer is refused, although the key signed it', async () => {
  const token = await issue();
  issuer = 'https://elsewhere.example.com';
  expect(await tokens.read(token)).toBeNull();
});

test('C8: the private key is sealed, and a secret that was removed meanwhile issues nothing', async () => {
  const client = (await tokens.authenticate({ clientId, secret })) as AuthenticClient;
  await tokens.issue(client);
  const [row] = await signingKeys.list(store.db);
  if (row === undefined) throw new Error('no key was made');
  expect(Buffer.from(row.private_key_sealed).toString('latin1')).not.toContain('PRIVATE KEY');
  expect(signingKeys.openPrivateKey(store.sealer, row)).toContain('BEGIN PRIVATE KEY');
  await secrets.remove(store.db, clientId, client.secretId);
  await expect(tokens.issue(client)).rejects.toMatchObject({ status: 401, code: 'invalid_client' });
});

test('an expired secret is told from a wrong one to the audit alone', async () => {
  now += 60 * DAY_MS;
  const expired = await tokens.authenticate({ clientId, secret });
  expect(expired).toMatchObject({ refused: { id: clientId }, failure: 'EXPIRED' });
  const wrong = await tokens.authenticate({ clientId, secret: 'wrong' });
  expect(wrong).toMatchObject({ refused: { id: clientId }, failure: 'WRONG_SECRET' });
  const nobody = await tokens.authenticate({ clientId: newClientId(), secret: '' });
  expect(nobody).toEqual({ refused: null, failure: 'WRONG_SECRET' });
});
