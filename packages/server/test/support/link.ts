import { newId } from '../../src/domain/ids.ts';
import { secretHash } from '../../src/domain/keyPair.ts';
import { timestamp } from '../../src/domain/time.ts';
import * as hostTokens from '../../src/store/hostTokens.ts';
import * as links from '../../src/store/links.ts';
import * as migrationHosts from '../../src/store/migrationHosts.ts';
import type { MigrationHostRow } from '../../src/store/schema.ts';
import { textOf } from './api.ts';
import type { TestServer } from './server.ts';

/** An organization, with an owner's client. */
export type Tenant = Pick<TestServer, 'api' | 'orgId' | 'store'>;

/** A source that the host of {@link linkHost} can read. */
export const SOURCE_PROJECT = 'aaaaaaaaaaaaaaaaaaaaaaaa';
export const SOURCE_CLUSTER = 'orders';
export const HOSTNAME = 'host-1.example.com';

/** What the host reports that it can read. */
export const INVENTORY = JSON.stringify([
  {
    projectId: SOURCE_PROJECT,
    name: 'Source project',
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
]);

/** Makes a link-token and presents it as the gateway does, with an inventory. */
export async function linkHost(
  server: Tenant,
  hostname = HOSTNAME,
): Promise<{ readonly linkId: string; readonly hostId: string }> {
  const { store, orgId } = server;
  const made = await server.api.call(
    'POST',
    `/api/atlas/v1.0/orgs/${orgId}/liveMigrations/linkTokens`,
    {
      body: {},
    },
  );
  const hostId = newId();
  return store.transaction(async (tx) => {
    const link = await links.findByTokenHash(tx, secretHash(textOf(made, 'linkToken')));
    if (link === undefined || !(await links.useToken(tx, link.id, hostId))) {
      throw new Error('the token was not accepted');
    }
    await migrationHosts.insert(tx, newHost(hostId, link.id, hostname));
    return { linkId: link.id, hostId };
  });
}

/** Makes a token for one more host and presents it as the gateway does. @returns the host's id */
export async function addHost(server: Tenant, hostname: string): Promise<string> {
  const { store, orgId } = server;
  const path = `/api/linkspan/v1/orgs/${orgId}/liveMigrations/link/hosts`;
  const made = await server.api.call('POST', path);
  const hostId = newId();
  await store.transaction(async (tx) => {
    const token = await hostTokens.findByTokenHash(tx, secretHash(textOf(made, 'linkToken')));
    if (token === undefined || !(await hostTokens.use(tx, token.id, hostId))) {
      throw new Error('the token was not accepted');
    }
    await migrationHosts.insert(tx, newHost(hostId, token.link_id, hostname));
  });
  return hostId;
}

export function newHost(id: string, linkId: string, hostname: string): MigrationHostRow {
  const now = timestamp();
  return {
    id,
    link_id: linkId,
    hostname,
    secret_hash: secretHash('host secret'),
    agent_version: '0.1.0',
    inventory: INVENTORY,
    registered_at: now,
    heartbeat_at: now,
    unlinked_at: null,
    removing_at: null,
  };
}

/** A project with a registered cluster `target`. @returns the project's id */
export async function makeDestination(server: Tenant, name = 'Destination'): Promise<string> {
  const project = await server.api.call('POST', '/api/atlas/v1.0/groups', {
    body: { name, orgId: server.orgId },
  });
  const groupId = textOf(project, 'id');
  await server.api.call('POST', `/api/linkspan/v1/groups/${groupId}/clusters`, {
    body: {
      name: 'target',
      connectionString: 'mongodb://writer:hidden-password@db.example.com:27017/?replicaSet=rs0',
    },
  });
  return groupId;
}

/** Body of create and validate, version 2024-05-30. */
export function migrationBody(groupId: string) {
  return {
    destination: { clusterName: 'target', groupId, hostnameSchemaType: '' },
    migrationHosts: [HOSTNAME],
    source: {
      clusterName: SOURCE_CLUSTER,
      groupId: SOURCE_PROJECT,
      managedAuthentication: false,
      ssl: false,
      username: 'reader',
      password: 'source-password',
      caCertificatePath: '',
    },
  };
}
