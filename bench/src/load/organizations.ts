import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { LiveMigrationDetail } from '@linkspan/contract/api/liveMigrations.ts';
import type { ServiceAccountCredentials } from '@linkspan/cli/api/accessToken.ts';
import type { ApiKeyCredentials } from '@linkspan/cli/api/digest.ts';
import { type TestApi, api } from '@linkspan/testkit/digestClient.ts';
import { agentConfiguration } from '@linkspan/testkit/linkedPair.ts';
import {
  DESTINATION_CLUSTER,
  expectBody,
  migrationRequest,
} from '@linkspan/testkit/migrationCalls.ts';
import type { AgentSpec } from './agents.ts';
import type { Service } from './service.ts';

const FIRST = '2023-01-01';
const POLL_MS = 500;
const PATIENCE_MS = 10 * 60_000;
/** What a source holds of an organization before the copy, and of how many bytes each. */
const DOCUMENTS = 200;
const PADDING = 'x'.repeat(1000);

/** An organization with its two ways in. */
export interface Tenant {
  readonly orgId: string;
  readonly projectId: string;
  readonly apiKey: ApiKeyCredentials;
  readonly serviceAccount: ServiceAccountCredentials;
}

/** One with a link and a live migration that is being pushed. */
export interface LinkedTenant extends Tenant {
  /** Of the source that holds its data. */
  readonly source: number;
  readonly database: string;
  readonly migrationId: string;
}

/** Makes an organization with an API key, a service account and a project. */
export async function makeTenant({ nodes, credentials }: Service, name: string): Promise<Tenant> {
  await using root = api(nodes[0]?.url ?? '', credentials);
  const made = await expectBody<{
    organization: { id: string };
    apiKey: ApiKeyCredentials;
    serviceAccount: { clientId: string; secrets: readonly { secret: string }[] };
  }>(
    root.post('/api/atlas/v2/orgs', {
      version: FIRST,
      body: {
        name,
        apiKey: { desc: 'load', roles: ['ORG_OWNER'] },
        serviceAccount: {
          name: 'load',
          description: 'load',
          roles: ['ORG_OWNER'],
          secretExpiresAfterHours: 8,
        },
      },
    }),
  );
  const orgId = made.organization.id;
  await using owner = api(nodes[0]?.url ?? '', made.apiKey);
  const { id: projectId } = await expectBody<{ id: string }>(
    owner.post('/api/atlas/v2/groups', { version: FIRST, body: { name, orgId } }),
  );
  const { clientId, secrets } = made.serviceAccount;
  return {
    orgId,
    projectId,
    apiKey: made.apiKey,
    serviceAccount: { clientId, clientSecret: secrets[0]?.secret ?? '' },
  };
}

export interface Linking {
  readonly service: Service;
  readonly index: number;
  readonly hosts: number;
  /** Runs an agent. */
  readonly start: (agent: AgentSpec) => void;
}

/**
 * Links an organization with so many agents, through link-tokens, and starts a live migration of its
 * database, which is ready for its cutover when this comes back.
 */
export async function linkTenant(tenant: Tenant, linking: Linking): Promise<LinkedTenant> {
  const { service, index, hosts, start } = linking;
  const { orgId, projectId, apiKey } = tenant;
  await using owner = api(service.nodes[index % service.nodes.length]?.url ?? '', apiKey);
  const source = index % service.sources.length;
  const database = `organization${index}`;
  const deployment = service.sources[source] as Service['destination'];
  await deployment
    .client()
    .db(database)
    .collection<{ _id: number }>('documents')
    .insertMany(Array.from({ length: DOCUMENTS }, (_, _id) => ({ _id, padding: PADDING })));
  await expectBody(
    owner.post(`/api/linkspan/v1/groups/${projectId}/clusters`, {
      body: { name: DESTINATION_CLUSTER, connectionString: service.destination.uri },
    }),
  );
  const configFile = join(service.directory, `${database}.yaml`);
  const names = Array.from({ length: hosts }, (_, n) => `host${n}.${database}.example.net`);
  await writeFile(configFile, agentConfiguration(deployment.uri, false));
  for (const [n, hostname] of names.entries()) {
    const body =
      n === 0
        ? { path: `/api/atlas/v2/orgs/${orgId}/liveMigrations/linkTokens`, version: FIRST }
        : { path: `/api/linkspan/v1/orgs/${orgId}/liveMigrations/link/hosts` };
    const { linkToken } = await expectBody<{ linkToken: string }>(
      owner.post(
        body.path,
        n === 0 ? { version: FIRST, body: { accessListIps: [] } } : { body: {} },
      ),
    );
    start({ hostname, directory: service.directory, linkToken, configFile });
    // The link is there once its first host is.
    if (n === 0) await untilReported(owner, orgId, 1);
  }
  await untilReported(owner, orgId, hosts);
  const { _id: migrationId } = await expectBody<{ _id: string }>(
    owner.post(`/api/linkspan/v1/groups/${projectId}/liveMigrations`, {
      body: {
        ...migrationRequest(projectId),
        migrationHosts: [names[0]],
        namespaces: { include: [`${database}.*`] },
      },
    }),
  );
  await untilReady(owner, projectId, migrationId);
  return { ...tenant, source, database, migrationId };
}

/** Until so many hosts have reported what they can read. */
async function untilReported(owner: TestApi, orgId: string, hosts: number): Promise<void> {
  const path = `/api/atlas/v2/orgs/${orgId}/liveMigrations/availableProjects`;
  await until(`${hosts} hosts to report`, async () => {
    const projects = await expectBody<readonly { migrationHosts: readonly string[] }[]>(
      owner.get(path, { version: FIRST }),
    );
    return new Set(projects.flatMap(({ migrationHosts }) => migrationHosts)).size >= hosts;
  });
}

async function untilReady(owner: TestApi, projectId: string, id: string): Promise<void> {
  await until(`live migration ${id} to be ready`, async () => {
    const path = `/api/linkspan/v1/groups/${projectId}/liveMigrations/${id}`;
    const migration = await expectBody<LiveMigrationDetail>(owner.get(path));
    if (migration.status === 'FAILED') throw new Error(JSON.stringify(migration));
    return migration.readyForCutover;
  });
}

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`waited for ${what} in vain`);
    await delay(POLL_MS);
  }
}
