import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { digestHa1 } from '@linkspan/contract/api/digestAuthentication.ts';
import { decodeLinkToken } from '@linkspan/contract/push/linkToken.ts';
import { REALM } from '@linkspan/contract/serving/digest.ts';
import { expect, test } from 'vitest';
import { loadConfig } from '../../src/config/config.ts';
import { makeLogger } from '../../src/config/logger.ts';
import { createGateway } from '../../src/gateway/gateway.ts';
import { initOrganization } from '../../src/init.ts';
import { startServer } from '../../src/main.ts';
import type { Store } from '../../src/store/store.ts';
import { TestHost } from '../gateway/push.ts';
import { apiClient, type Response, textOf } from '../support/api.ts';
import { HOSTNAME, migrationBody, SOURCE_CLUSTER, SOURCE_PROJECT } from '../support/link.ts';
import { askToken, basic, bearerClient, newToken, sendForm, toClient } from '../support/oauth.ts';

/** A whole server whose log and answers are kept. */
async function startWatched() {
  const dataDirectory = mkdtempSync(join(tmpdir(), 'linkspan-secrets-'));
  const { organization, apiKey } = await initOrganization(
    { dataDirectory, masterKeyFile: null },
    'Organization',
  );
  const log: string[] = [];
  let store: Store | undefined;
  const server = await startServer({
    config: loadConfig(
      { dataDir: dataDirectory, port: '0', allowedNetworks: '127.0.0.0/8', rateLimits: 'false' },
      {},
    ),
    log: makeLogger('debug', { write: (line) => void log.push(line) }),
    createGateway: (dependencies) => {
      store = dependencies.store;
      return createGateway(dependencies);
    },
  });
  const answers: Response[] = [];
  const client = apiClient(server.url, apiKey);
  return {
    url: server.url,
    orgId: organization.id,
    apiKey,
    log,
    answers,
    /** Calls whose answers may hold no secret. */
    call: async (...call: Parameters<typeof client.call>) => {
      const answer = await client.call(...call);
      answers.push(answer);
      return answer;
    },
    /** Calls whose answers are the one place of a secret. */
    create: (...call: Parameters<typeof client.call>) => client.call(...call),
    events: async () => JSON.stringify(await store?.db.selectFrom('events').selectAll().execute()),
    close: () => server.close(),
    files: () =>
      readdirSync(dataDirectory)
        .filter((name) => name !== 'master.key')
        .map((name) => ({ name, bytes: readFileSync(join(dataDirectory, name), 'latin1') })),
    [Symbol.asyncDispose]: async () => {
      await server.close();
      rmSync(dataDirectory, { recursive: true });
    },
  };
}

test('no secret can be read after its creation: in no answer, log, event, or file of the store', async () => {
  await using server = await startWatched();
  const { orgId, url } = server;
  const secrets = new Map<string, string>();
  const keep = (what: string, secret: string): string => {
    expect(secret.length).toBeGreaterThan(11);
    secrets.set(what, secret);
    return secret;
  };
  const passwordOf = (what: string) => keep(what, `password-${randomBytes(8).toString('hex')}`);
  const org = `/api/atlas/v2/orgs/${orgId}`;

  // API keys, and what Digest keeps of them.
  keep('private key of the first API key', server.apiKey.privateKey);
  keep(
    'HA1 of the first API key',
    digestHa1(server.apiKey.publicKey, REALM, server.apiKey.privateKey),
  );
  const key = await server.create('POST', `${org}/apiKeys`, {
    body: { desc: 'key', roles: ['ORG_MEMBER'] },
  });
  keep('private key of an API key', textOf(key, 'privateKey'));
  await apiClient(url, {
    publicKey: textOf(key, 'publicKey'),
    privateKey: keep('private key that is wrong', `00000000-${randomBytes(12).toString('hex')}`),
  }).call('GET', org);

  // Service accounts and their access tokens, right and wrong ones.
  const account = await server.create('POST', `${org}/serviceAccounts`, {
    body: {
      name: 'Client',
      description: 'A test',
      roles: ['ORG_OWNER'],
      secretExpiresAfterHours: 8,
    },
  });
  const client = toClient(account.json);
  const accountPath = `${org}/serviceAccounts/${client.clientId}`;
  keep('secret of a service account', client.secret);
  const second = await server.create('POST', `${accountPath}/secrets`, {
    body: { secretExpiresAfterHours: 8 },
  });
  keep('second secret of a service account', textOf(second, 'secret'));
  const wrong = keep('secret that is wrong', `mdb_sa_sk_${'w'.repeat(40)}`);
  server.answers.push(await askToken(url, { clientId: client.clientId, secret: wrong }));
  const token = keep('access token', await newToken(url, client));
  const revoked = keep('access token that was revoked', await newToken(url, client));
  const form = { token: revoked };
  server.answers.push(
    await sendForm(`${url}/api/oauth/revoke`, form, { authorization: basic(client) }),
    await bearerClient(url, token).call('GET', org),
    await bearerClient(url, revoked).call('GET', org),
  );

  // A link-token with the key pair in it, and the host that presents it.
  const linkTokens = `${org}/liveMigrations/linkTokens`;
  const linkToken = textOf(await server.create('POST', linkTokens, { body: {} }), 'linkToken');
  keep('link-token', linkToken);
  keep('private key in the link-token', decodeLinkToken(linkToken).privateKey);
  const host = new TestHost(() => url);
  keep('secret of a migration host', host.hostSecret);
  expect((await host.register(linkToken)).status).toBe(200);
  const inventory = [
    {
      projectId: SOURCE_PROJECT,
      name: 'Source',
      deployments: [
        {
          name: SOURCE_CLUSTER,
          mongoDBVersion: '8.0.4',
          featureCompatibilityVersion: '8.0',
          managed: false,
          sharded: false,
          tlsEnabled: false,
        },
      ],
    },
  ];
  const told = await host.post('/inventory', {
    hostname: HOSTNAME,
    agentVersion: '0.1.0',
    projects: inventory,
  });
  expect(told.status).toBe(204);

  // Connection strings and the source's password.
  const group = await server.call('POST', '/api/atlas/v2/groups', {
    body: { name: 'Project', orgId },
  });
  const groupId = textOf(group, 'id');
  const clusters = `/api/linkspan/v1/groups/${groupId}/clusters`;
  const uri = `mongodb://writer:${passwordOf('password of a destination')}@127.0.0.1:1/?serverSelectionTimeoutMS=200`;
  const made = await server.call('POST', clusters, {
    body: { name: 'target', connectionString: uri },
  });
  expect(made.status).toBe(201);
  const refusedUri = `mongodb://writer:${passwordOf('password of a refused destination')}@127.0.0.1:1/?proxyHost=x`;
  const refused = await server.call('POST', clusters, {
    body: { name: 'other', connectionString: refusedUri },
  });
  expect(refused.status).toBe(400);
  const test = server.call('POST', `${clusters}/target/connectionTest`);
  const body = migrationBody(groupId);
  const migrations = `/api/atlas/v2/groups/${groupId}/liveMigrations`;
  for (const path of [`${migrations}/validate`, migrations]) {
    const password = passwordOf(`source password for ${path}`);
    const answer = await server.call('POST', path, {
      body: { ...body, source: { ...body.source, password } },
    });
    expect(`${path} ${answer.status}`).toMatch(/ 20[01]$/);
  }
  const malformed = JSON.stringify({ ...body, password: passwordOf('password in a broken body') });
  await server.call('POST', migrations, { body: malformed.slice(0, -1) });
  await server.call('POST', migrations, { body: malformed });
  expect((await test).json).toMatchObject({ ok: false });

  // Everything that can be read, to the removal of the link.
  for (const path of [
    org,
    `${org}/apiKeys`,
    `${org}/apiKeys/${textOf(key, 'id')}`,
    `${org}/serviceAccounts`,
    accountPath,
    `${org}/events`,
    `/api/atlas/v2/groups/${groupId}/events`,
    `${org}/liveMigrations/availableProjects`,
    `/api/atlas/v2/groups/${groupId}/clusters`,
    `/api/atlas/v2/groups/${groupId}/clusters/target`,
    `/api/linkspan/v1/orgs/${orgId}/liveMigrations/link`,
    `/api/linkspan/v1/groups/${groupId}/liveMigrations`,
    clusters,
    `${clusters}/target`,
  ]) {
    const answer = await server.call('GET', path);
    expect(`${path} ${answer.status}`).toBe(`${path} 200`);
  }
  const removed = await server.call('DELETE', linkTokens);
  expect(removed.status).toBe(204);

  const events = await server.events();
  expect(events).toContain('LIVE_MIGRATION_FAILED');
  await server.close();
  const places = [
    ...server.files().map(({ name, bytes }) => ({ place: `file ${name}`, text: bytes })),
    { place: 'log', text: server.log.join('') },
    { place: 'events', text: events },
    { place: 'answers', text: server.answers.map(({ text }) => text).join('\n') },
    {
      place: 'headers of answers',
      text: server.answers.map(({ headers }) => JSON.stringify(headers)).join('\n'),
    },
  ];
  // What is no secret is found, so a secret would be.
  const withAccount = places.filter(({ text }) => text.includes(client.clientId));
  expect(withAccount.map(({ place }) => place)).toEqual(
    expect.arrayContaining(['file linkspan.db', 'events', 'answers']),
  );
  for (const { place, text } of places) expect(`${place} ${text.length > 0}`).toBe(`${place} true`);
  const found = places.flatMap(({ place, text }) =>
    [...secrets]
      .filter(([, secret]) => text.includes(secret))
      .map(([what]) => `${what} in ${place}`),
  );
  expect(found).toEqual([]);
});
