import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PUSH_BASE, PUSH_VERSION, VERSION_HEADER } from '@linkspan/contract/push/version.ts';
import { loadConfig } from '@linkspan/server/config/config.ts';
import { makeLogger } from '@linkspan/server/config/logger.ts';
import { createGateway } from '@linkspan/server/gateway/gateway.ts';
import { initOrganization } from '@linkspan/server/init.ts';
import { startServer } from '@linkspan/server/main.ts';
import { type Credential, HttpClient, type HttpAnswer } from '../src/client.ts';
import { Setup, textAt, uniqueName } from '../src/setup.ts';

const HOSTNAME = 'host-1.example.com';
const SOURCE_PROJECT = 'aaaaaaaaaaaaaaaaaaaaaaaa';
const LATEST = 'application/vnd.atlas.2024-08-05+json';

/** An organization of a test's own, with its owner. */
export interface Organization {
  readonly orgId: string;
  readonly owner: Setup;
}

export interface CallOptions {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly as?: Credential;
}

/** A server with rate limits and a version out of service, for answers that are errors. */
export interface Lab extends AsyncDisposable {
  /** As the first organization's owner by default; a path begins with `/api/` or is one of v2. */
  call(method: string, path: string, options?: CallOptions): Promise<HttpAnswer>;
  readonly client: HttpClient;
  readonly orgId: string;
  readonly owner: Setup;
  organization(): Promise<Organization>;
  /** A project with a registered destination cluster `target`, that nothing listens at. */
  project(organization: Organization): Promise<string>;
  /** Links a migration host as an agent does, over the push protocol. */
  link(organization: Organization): Promise<void>;
  /** Starts a live migration in a project of {@link project}. @returns its id */
  migration(organization: Organization, groupId: string): Promise<string>;
  key(organization: Organization, ...roles: readonly string[]): Promise<Credential>;
  /** While set, no removal of a link can be proven. */
  unproven: boolean;
}

/** The body of create and validate in the newest version. */
export function migrationBody(groupId: string) {
  return {
    destination: { clusterName: 'target', groupId, hostnameSchemaType: 'PUBLIC' },
    migrationHosts: [HOSTNAME],
    source: {
      clusterName: 'orders',
      groupId: SOURCE_PROJECT,
      managedAuthentication: true,
      ssl: false,
    },
  };
}

export async function startLab(): Promise<Lab> {
  await using resources = new AsyncDisposableStack();
  const dataDirectory = await mkdtemp(join(tmpdir(), 'linkspan-errors-'));
  resources.defer(() => rm(dataDirectory, { recursive: true }));
  const { organization, apiKey } = await initOrganization(
    { dataDirectory, masterKeyFile: null },
    'Errors',
  );
  const state = { unproven: false };
  const flags = { port: '0', goneVersions: '2023-01-01', removalWaitSeconds: '1' };
  const server = resources.use(
    await startServer({
      config: loadConfig({ dataDir: dataDirectory, ...flags }, {}),
      log: makeLogger('silent'),
      createGateway: (dependencies) => {
        const gateway = createGateway(dependencies);
        const settle: typeof gateway.settle = async (linkId, signal) =>
          state.unproven ? { unprovenCluster: 'target' } : gateway.settle(linkId, signal);
        return { ...gateway, settle };
      },
    }),
  );
  const client = resources.use(new HttpClient(server.url));
  const { publicKey, privateKey } = apiKey;
  const owner = new Setup(client, { kind: 'digest', publicKey, privateKey });
  const owned = resources.move();
  return {
    client,
    orgId: organization.id,
    owner,
    call: (method, path, { body, headers, as = owner.credential } = {}) =>
      client.send(as, {
        method,
        path: path.startsWith('/api/') ? path : `/api/atlas/v2${path}`,
        headers: { accept: LATEST, ...headers },
        body,
      }),
    organization: () => newOrganization(owner),
    project: newProject,
    link,
    migration: async ({ owner: by }, groupId) => {
      const path = `/groups/${groupId}/liveMigrations`;
      return textAt(await by.call('POST', path, migrationBody(groupId)), '_id');
    },
    key: async ({ orgId, owner: by }, ...roles) =>
      digest(await by.call('POST', `/orgs/${orgId}/apiKeys`, { desc: 'key', roles })),
    get unproven() {
      return state.unproven;
    },
    set unproven(value) {
      state.unproven = value;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function newOrganization(anyOwner: Setup): Promise<Organization> {
  const made = await anyOwner.call('POST', '/orgs', {
    name: uniqueName('Organization'),
    apiKey: { desc: 'owner', roles: ['ORG_OWNER'] },
  });
  const orgId = textAt(made, 'organization', 'id');
  return { orgId, owner: anyOwner.as(digest(made['apiKey'] as Record<string, unknown>)) };
}

async function newProject({ orgId, owner }: Organization): Promise<string> {
  const name = uniqueName('Project');
  const groupId = textAt(await owner.call('POST', '/groups', { name, orgId }), 'id');
  await owner.call('POST', `/api/linkspan/v1/groups/${groupId}/clusters`, {
    name: 'target',
    connectionString: 'mongodb://db.example.com:27017/?replicaSet=rs0',
  });
  return groupId;
}

async function link({ orgId, owner }: Organization): Promise<void> {
  const made = await owner.call('POST', `/orgs/${orgId}/liveMigrations/linkTokens`, {});
  const hostId = randomBytes(12).toString('hex');
  const hostSecret = randomBytes(32).toString('hex');
  const host = { hostname: HOSTNAME, agentVersion: '0.1.0' };
  const register = { ...host, hostId, hostSecret };
  await push(owner, '/hosts', textAt(made, 'linkToken'), register);
  const deployment = {
    name: 'orders',
    mongoDBVersion: '8.0.4',
    featureCompatibilityVersion: '8.0',
    managed: false,
    sharded: false,
    tlsEnabled: false,
  };
  const projects = [{ projectId: SOURCE_PROJECT, name: 'Source', deployments: [deployment] }];
  await push(owner, '/inventory', `${hostId}.${hostSecret}`, { ...host, projects });
}

async function push({ client }: Setup, path: string, token: string, body: object): Promise<void> {
  const headers = { [VERSION_HEADER]: `${PUSH_VERSION}` };
  const request = { method: 'POST', path: PUSH_BASE + path, headers, body };
  const answer = await client.send({ kind: 'bearer', token }, request);
  if (answer.status >= 400) throw new Error(`${path} answered ${answer.status}: ${answer.text}`);
}

function digest(key: Readonly<Record<string, unknown>>) {
  return {
    kind: 'digest',
    publicKey: textAt(key, 'publicKey'),
    privateKey: textAt(key, 'privateKey'),
  } as const;
}
