import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { compareClusters } from '@linkspan/testkit/compare.ts';
import { startMongoDB, type MongoDB } from '@linkspan/testkit/mongodb.ts';
import {
  runLinkspan,
  startAgent,
  startServer,
  type CommandOptions,
  type CommandResult,
  type LinkspanProcess,
} from '@linkspan/testkit/processes.ts';
import { oddDocuments } from '@linkspan/testkit/values.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const SOURCE_PROJECT = '0123456789abcdef01234567';
const HOST = 'host1.example.com';

let directory: string;
let source: MongoDB;
let destination: MongoDB;
let server: LinkspanProcess;
let agent: LinkspanProcess;
let orgId: string;
let env: Record<string, string>;
/** The server gives up after seconds; the other tests go on meanwhile. */
let lostCluster: Promise<CommandResult>;

function linkspan(line: string, options: CommandOptions = {}) {
  return runLinkspan(line.split(' '), { ...options, env: { ...env, ...options.env } });
}

/** The answer as JSON, of a command that has to succeed. */
async function json<T>(line: string, options: CommandOptions = {}): Promise<T> {
  const { code, stdout, stderr } = await linkspan(`${line} -o json`, options);
  expect({ code, stderr }).toEqual({ code: 0, stderr: expect.any(String) });
  return JSON.parse(stdout) as T;
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'linkspan-cli-online-'));
  [source, destination] = await Promise.all([
    startMongoDB({ name: 'source' }),
    startMongoDB({ name: 'destination' }),
  ]);
  const things = source.client().db('shop').collection('things');
  await things.insertMany(oddDocuments(), { forceServerObjectId: true });

  const dataDir = join(directory, 'data');
  env = { XDG_CONFIG_HOME: directory };
  const made = await json<{
    organization: { id: string };
    apiKey: { publicKey: string; privateKey: string };
  }>(`init Acme --data-dir ${dataDir}`);
  orgId = made.organization.id;
  server = await startServer({
    args: ['--data-dir', dataDir, '--port', '0', '--allowed-networks', '127.0.0.0/8'],
  });
  env = {
    XDG_CONFIG_HOME: directory,
    LINKSPAN_BASE_URL: (server.ready as { url: string }).url,
    LINKSPAN_PUBLIC_KEY: made.apiKey.publicKey,
    LINKSPAN_PRIVATE_KEY: made.apiKey.privateKey,
    LINKSPAN_ORG_ID: orgId,
  };
});

afterAll(async () => {
  await agent?.stop();
  await server?.stop();
  await source?.stop();
  await destination?.stop();
  if (directory !== undefined) await rm(directory, { recursive: true });
});

describe('organizations and their keys', () => {
  test('list and describe', async () => {
    expect((await linkspan('orgs list')).stdout).toBe(`NAME  ID\nAcme  ${orgId}\n`);
    expect((await linkspan(`organizations describe ${orgId}`)).stdout).toContain('Acme');
  });

  test('create, use, list, describe and delete an API key', async () => {
    const key = await json<{ id: string; publicKey: string; privateKey: string }>(
      'organizations apiKeys create --desc test --role ORG_MEMBER',
    );
    const asMember = {
      env: { LINKSPAN_PUBLIC_KEY: key.publicKey, LINKSPAN_PRIVATE_KEY: key.privateKey },
    };
    expect(await linkspan('orgs list', asMember)).toMatchObject({ code: 0 });
    const refused = await linkspan('projects create No', asMember);
    expect(refused).toMatchObject({ code: 1, stdout: '' });
    expect(refused.stderr).toMatch(/POST: HTTP 401 .*NOT_ORG_GROUP_CREATOR/);

    expect((await linkspan('orgs apikeys list')).stdout).toContain(key.publicKey);
    const { stdout } = await linkspan(`orgs apiKeys describe ${key.id}`);
    expect(stdout).toContain('ORG_MEMBER');
    expect(stdout).not.toContain(key.privateKey);
    expect(await linkspan(`orgs apiKeys delete ${key.id}`)).toMatchObject({ code: 2 });
    expect(await linkspan(`orgs apiKeys delete ${key.id} --force`)).toMatchObject({ code: 0 });
    expect(await linkspan('orgs list', asMember)).toMatchObject({ code: 1 });
  });

  test('create, use, list and describe a service account, change its secret, delete it', async () => {
    const account = await json<{ clientId: string; secrets: { id: string; secret: string }[] }>(
      'serviceAccounts create Robot --desc test --role ORG_READ_ONLY --secretExpiresAfterHours 8',
    );
    const { clientId, secrets } = account;
    const [first] = secrets;
    const as = (secret = '') => ({
      env: {
        LINKSPAN_PUBLIC_KEY: '',
        LINKSPAN_CLIENT_ID: clientId,
        LINKSPAN_CLIENT_SECRET: secret,
      },
    });
    const listed = await linkspan('serviceAccounts list', as(first?.secret));
    expect(listed).toMatchObject({ code: 0, stderr: '' });
    expect(listed.stdout).toContain(`${clientId}  Robot  ORG_READ_ONLY  1`);
    const refused = await linkspan('serviceAccounts delete x --force', as(first?.secret));
    expect(refused.stderr).toMatch(/HTTP 401 .*USER_UNAUTHORIZED/);

    const second = await json<{ secret: string }>(
      `serviceAccounts secrets create --clientId ${clientId}`,
    );
    const removal = `serviceAccounts secrets delete ${first?.id} --clientId ${clientId} --force`;
    expect(await linkspan(removal)).toMatchObject({ code: 0 });
    expect((await linkspan('orgs list', as(first?.secret))).stderr).toContain('invalid_client');
    expect(await linkspan('orgs list', as(second.secret))).toMatchObject({ code: 0 });
    const { stdout } = await linkspan(`serviceAccounts describe ${clientId}`);
    expect(stdout).toContain(`${'*'.repeat(36)}${second.secret.slice(-4)}`);
    expect(stdout).not.toContain(second.secret);
    expect(await linkspan(`serviceAccounts delete ${clientId}`)).toMatchObject({ code: 2 });
    expect(await linkspan(`serviceAccounts rm ${clientId} --force`)).toMatchObject({ code: 0 });
    expect(await linkspan('orgs list', as(second.secret))).toMatchObject({ code: 1 });
  });

  test('another organization comes with a key of its own', async () => {
    const made = await json<{
      organization: { id: string };
      apiKey: { publicKey: string; privateKey: string };
    }>('organizations create Other');
    const other = {
      env: {
        LINKSPAN_PUBLIC_KEY: made.apiKey.publicKey,
        LINKSPAN_PRIVATE_KEY: made.apiKey.privateKey,
      },
    };
    const removal = `organizations delete ${made.organization.id} --force`;
    expect(await linkspan(removal, other)).toMatchObject({ code: 0 });
  });
});

describe('projects and clusters', () => {
  test('create, list, describe, update, test and delete', async () => {
    const project = await json<{ id: string }>('projects create Target');
    env['LINKSPAN_PROJECT_ID'] = project.id;
    expect((await linkspan(`projects list --orgId ${orgId}`)).stdout).toContain('Target');
    expect((await linkspan(`projects describe ${project.id}`)).stdout).toContain(project.id);

    const input = { input: `${destination.uri}\n` };
    expect(await linkspan('clusters create dst --uriFile -', input)).toMatchObject({ code: 0 });
    expect(await linkspan('clusters test dst')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('Connected: MongoDB'),
    });
    expect((await linkspan('clusters list')).stdout).toMatch(/dst +\S+ +\S+ +127\.0\.0\.1:\d+\n/);

    const nowhere = { env: { LINKSPAN_CLUSTER_URI: 'mongodb://user:secret@127.0.0.1:1' } };
    expect(await linkspan('clusters create gone', nowhere)).toMatchObject({ code: 0 });
    lostCluster = linkspan('clusters test gone');
    expect(await linkspan('clusters create other', nowhere)).toMatchObject({ code: 0 });
    const elsewhere = { input: 'mongodb://user:secret@127.0.0.1:2\n' };
    expect(await linkspan('clusters update other --uriFile -', elsewhere)).toMatchObject({
      code: 0,
      stdout: "Cluster 'other' updated.\n",
    });
    expect((await linkspan('clusters describe other')).stdout).toContain('127.0.0.1:2\n');
    const removed = await linkspan('clusters delete other --force -o json');
    expect(removed).toMatchObject({ code: 0, stdout: '{}\n' });
    const wrong = { env: { LINKSPAN_CLUSTER_URI: 'mongodb://user:secret@db/?proxyHost=x' } };
    const refused = await linkspan('clusters create other', wrong);
    expect(refused).toMatchObject({ code: 1, stdout: '' });
    expect(refused.stderr).toContain('\n  connectionString: has the option proxyHost');
    expect(refused.stderr).not.toContain('secret');
    expect(await linkspan('clusters describe other')).toMatchObject({ code: 1 });
  });
});

describe('a live migration', () => {
  const flags = `--clusterName dst --migrationHost ${HOST} --sourceClusterName rs0 --sourceProjectId ${SOURCE_PROJECT} --sourceManagedAuthentication`;
  let id: string;

  test('link: the token goes from file to file, and the agent links with it', async () => {
    const tokenFile = join(directory, 'token');
    writeFileSync(tokenFile, 'an old one that others can read', { mode: 0o644 });
    const created = await linkspan(`lm link create --linkTokenFile ${tokenFile}`);
    expect(created).toMatchObject({ code: 0, stdout: `Link-token written to ${tokenFile}.\n` });
    expect(statSync(tokenFile).mode & 0o777).toBe(0o600);
    expect(readFileSync(tokenFile, 'utf8')).toMatch(/^lslt_/);
    expect((await linkspan('lm link describe')).stdout).toContain('State: PENDING');

    const config = join(directory, 'agent.yaml');
    const deployments = [{ name: 'rs0', uri: source.uri }];
    const projects = [{ id: SOURCE_PROJECT, name: 'Shop', deployments }];
    writeFileSync(config, JSON.stringify({ hostname: HOST, stateDir: 'state', projects }));
    agent = await startAgent({
      args: ['--config', config, '--link-token-file', tokenFile],
    });
    expect((await linkspan('lm link describe')).stdout).toContain('State: LINKED');
    expect((await linkspan('lm availableProjects list')).stdout).toMatch(/Shop +rs0 /);
  });

  test('validate, create, watch, cut over: both sides are equal', async () => {
    const validation = await json<{ _id: string }>(`lm validation create ${flags} --watch`);
    const { stdout } = await linkspan(`lm validation describe --validationId ${validation._id}`);
    expect(stdout).toMatch(/^ID +PROJECT ID +SOURCE PROJECT ID +STATUS\n.*SUCCESS\nSEVERITY +CODE/);

    id = (await json<{ _id: string }>(`lm create ${flags}`))._id;
    expect((await linkspan(`lm describe --liveMigrationId ${id}`)).stdout).toMatch(
      /^ID +LAGTIME +READY FOR CUTOVER +STATUS\n/,
    );
    expect(await linkspan(`lm pause --liveMigrationId ${id}`)).toMatchObject({
      code: 0,
      stdout: 'Live migration paused\n',
    });
    expect((await linkspan(`lm describe --liveMigrationId ${id}`)).stdout).toMatch(
      /\nState: PAUSED since \d/,
    );
    expect(await linkspan(`lm resume --liveMigrationId ${id}`)).toMatchObject({ code: 0 });
    const ready = await linkspan(`lm watch --liveMigrationId ${id} --untilReady`);
    expect(ready).toMatchObject({ code: 0, stdout: expect.stringContaining('ready for cutover') });
    expect(ready.stderr).toContain('documents');
    expect(await linkspan(`lm cutover --liveMigrationId ${id}`)).toMatchObject({ code: 0 });
    const end = await linkspan(`lm watch --liveMigrationId ${id}`);
    expect(end).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^COMPLETE: .*verified\n$/),
    });
    expect((await linkspan('lm list')).stdout).toContain('COMPLETE');
    expect((await compareClusters(source.uri, destination.uri)).differences).toEqual([]);
  });

  test('move a part under another name, change its pace and window, and drop it again', async () => {
    const part = '--include shop.things --rename shop=store';
    expect(await linkspan(`lm validation create ${flags} ${part} --watch`)).toMatchObject({
      code: 0,
    });
    const wrong = await linkspan(`lm create ${flags} --rename shop=admin`);
    expect(wrong).toMatchObject({ code: 1, stdout: '' });
    expect(wrong.stderr).toContain('is reserved');
    const slow = `lm create ${flags} ${part} --maxDocumentsPerSecond 1`;
    const { _id: made } = await json<{ _id: string }>(slow);
    const which = `--liveMigrationId ${made}`;
    const changed = await linkspan(
      `lm update ${which} --maxDocumentsPerSecond 0 --maxBytesPerSecond 1000000 --extendWindowHours 24`,
    );
    expect(changed.stdout).toContain('Throttle: 976.6 KiB/s\n');
    expect(changed.stdout).toContain('Includes: shop.things\nRenames: shop to store\n');
    expect(await json(`lm describe ${which}`)).toMatchObject({ windowHours: 144 });
    expect(await linkspan(`lm watch ${which} --untilReady`)).toMatchObject({ code: 0 });
    const store = destination.client().db('store');
    const all = await source.client().db('shop').collection('things').countDocuments();
    expect(await store.collection('things').countDocuments()).toBe(all);
    expect((await linkspan(`lm describe ${which}`)).stdout).toMatch(/\nExpires: \d/);
    expect(await linkspan(`lm cancel ${which} --dropCopied --force`)).toMatchObject({ code: 0 });
    expect((await linkspan(`lm describe ${which}`)).stdout).toContain('\nCopied data: DROPPED\n');
    expect(await store.listCollections().toArray()).toEqual([]);
    const kept = destination.client().db('shop').collection('things');
    expect(await kept.countDocuments(), 'of another migration').toBe(all);
  });

  test('cancel asks first, ends it, and is no failure of the command', async () => {
    const other = flags.replace('--clusterName dst', '--clusterName dst --drop --force');
    const made = (await json<{ _id: string }>(`lm create ${other}`))._id;
    const unsure = await linkspan(`lm cancel --liveMigrationId ${made}`);
    expect(unsure).toMatchObject({ code: 2, stdout: '' });
    expect(unsure.stderr).toContain('ends as FAILED');
    expect(await linkspan(`lm cancel --liveMigrationId ${made} --force`)).toMatchObject({
      code: 0,
      stdout: 'Live migration canceled\n',
    });
    const { stdout } = await linkspan(`lm describe --liveMigrationId ${made}`);
    expect(stdout).toMatch(/State: CANCELED\nReason: Canceled by API key [a-z]{8}\./);
  });

  test('removing the link-token fails what is active, ends the agent with 3, and then answers 404', async () => {
    const other = flags.replace('--clusterName dst', '--clusterName dst --drop --force');
    id = (await json<{ _id: string }>(`lm create ${other}`))._id;
    const unsure = await linkspan('lm link delete');
    expect(unsure).toMatchObject({ code: 2, stdout: '' });
    expect(unsure.stderr).toContain(`These live migrations will fail:\n  ${id} (`);
    expect(unsure.stderr).toContain('in project Target');

    const exited = agent.exited;
    expect(await linkspan('lm link rm --force')).toMatchObject({
      code: 0,
      stdout: 'Link-token deleted\n',
    });
    expect(await exited).toBe(3);
    expect(await agent.log()).toContain('Error: ');
    const failed = await linkspan(`lm watch --liveMigrationId ${id}`);
    expect(failed).toMatchObject({ code: 4, stderr: expect.stringContaining('FAILED') });

    const again = await linkspan('lm link delete --force');
    expect(again.code).toBe(1);
    expect(again.stderr).toContain(
      'DELETE: HTTP 404 Not Found (Error code: "UNEXPECTED_ERROR") Detail: Could not find the requested external organization link.',
    );
    expect(await agent.log()).not.toContain('lslt_');
  });
});

test('a cluster that cannot be reached ends its test with 4, and no secret is shown', async () => {
  const { code, stderr } = await lostCluster;
  expect(code).toBe(4);
  expect(stderr).toContain('127.0.0.1:1');
  expect(stderr).not.toContain('secret');
});
