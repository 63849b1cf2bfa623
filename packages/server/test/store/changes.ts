import { timestamp } from '../../src/domain/time.ts';
import * as links from '../../src/store/links.ts';
import * as liveMigrations from '../../src/store/liveMigrations.ts';
import type { Store } from '../../src/store/store.ts';
import { TestHost } from '../gateway/push.ts';
import { type Api, type Credentials, type Json, textOf } from '../support/api.ts';
import { HOSTNAME, INVENTORY, migrationBody } from '../support/link.ts';
import { READY } from '../support/progress.ts';

/** By table: how many rows more or fewer there are; 0 where only what they hold has changed. */
export type Change = Readonly<Record<string, number>>;

/** Something that changes what the store holds, as a whole or not at all. */
export interface Step {
  /** Of an operation of the API, or what stands for it. */
  readonly name: string;
  readonly change: Change;
  /** Where it takes two transactions, and the server goes on with the second by itself: whether it has. */
  readonly goneOn?: (api: Api) => Promise<boolean>;
  /** While no server runs. */
  readonly prepare?: () => Promise<void>;
  /** While one does. */
  readonly before?: (api: Api) => Promise<unknown>;
  readonly parameters?: () => Readonly<Record<string, string>>;
  readonly body?: () => unknown;
  /** Not as the organization's owner. */
  readonly as?: () => Credentials;
  /** Instead of a call of the operation. @returns the status */
  readonly run?: () => Promise<number>;
  /** For the steps that follow: what an answer that was lost would have told. */
  readonly find?: (api: Api) => Promise<void>;
}

const CLUSTER = 'target';
const CONNECTION = 'mongodb://writer:hidden@127.0.0.1:9/?directConnection=true';

export interface Walk {
  readonly orgId: string;
  readonly url: () => string;
  /** Opens the store, which only works while no server runs. */
  readonly open: () => Promise<Store>;
}

/** Every operation that changes something, each on what the ones before have left. */
export function changes({ orgId, url, open }: Walk): Step[] {
  /** What is found on the way. */
  const ids: Record<string, string> = { orgId, clusterName: CLUSTER, ipAddress: '192.0.2.1' };
  let other: Credentials = { publicKey: '', privateKey: '' };
  const host = new TestHost(url);
  const second = new TestHost(url);
  let token = '';

  const find =
    (name: string, path: () => string, wanted: string, key = 'id') =>
    async (api: Api): Promise<void> => {
      const { json, text } = await api.call('GET', path());
      const all = (Array.isArray(json) ? json : (json['results'] ?? json['secrets'])) as Json[];
      const found = all.filter((one) => JSON.stringify(one).includes(wanted)).at(-1);
      if (found === undefined) throw new Error(`no ${wanted} at ${path()}: ${text}`);
      ids[name] = String(found[key]);
    };
  const org = `/api/atlas/v1.0/orgs/${orgId}`;
  const group = () => `/api/linkspan/v1/groups/${ids['groupId'] ?? ''}`;
  const account = () => `/api/atlas/v2/orgs/${orgId}/serviceAccounts/${ids['clientId'] ?? ''}`;
  const tokens = `${org}/liveMigrations/linkTokens`;
  const heardOf = (one: TestHost, hostname: string) => {
    const projects = JSON.parse(INVENTORY) as unknown;
    return one.post('/inventory', { hostname, agentVersion: '0.1.0', projects });
  };
  const heard = () => heardOf(host, HOSTNAME);
  const own = () => migrationBody(ids['groupId'] ?? '');
  const some = () => ({ ...own(), namespaces: { include: ['shop'] } });
  const findMigration = find('liveMigrationId', () => `${group()}/liveMigrations`, '"NEW"', '_id');
  const report = async (): Promise<void> => {
    const id = ids['liveMigrationId'] ?? '';
    await using store = await open();
    await store.transaction(async (tx) => {
      const epoch = (await liveMigrations.nextEpoch(tx, id)) ?? 0;
      await liveMigrations.setProgress(tx, id, epoch, JSON.stringify(READY), timestamp());
    });
  };
  const shows = async (api: Api, text: string): Promise<boolean> => {
    const path = `/api/linkspan/v1/orgs/${orgId}/liveMigrations/link`;
    return (await api.call('GET', path)).text.includes(text);
  };
  const event = { events: 1 };
  const updated = (table: string): Change => ({ [table]: 0, ...event });
  const step = (name: string, change: Change, rest: Omit<Step, 'name' | 'change'> = {}): Step => ({
    name,
    change,
    parameters: () => ids,
    ...rest,
  });

  return [
    step(
      'createOrg',
      { organizations: 1, api_keys: 1, api_key_roles: 1, events: 2 },
      { body: () => ({ name: 'New', apiKey: { desc: 'its own', roles: ['ORG_OWNER'] } }) },
    ),
    step(
      'deleteOrg',
      { organizations: -1, api_keys: -1, api_key_roles: -1, events: 2 },
      {
        before: async (api) => {
          const apiKey = { desc: 'its own', roles: ['ORG_OWNER'] };
          const body = { name: 'Another', apiKey };
          const { json } = await api.call('POST', '/api/atlas/v2/orgs', { body });
          ids['otherOrgId'] = String((json['organization'] as Json)['id']);
          other = json['apiKey'] as Credentials;
        },
        parameters: () => ({ orgId: ids['otherOrgId'] ?? '' }),
        as: () => other,
      },
    ),
    step('updateOrg', updated('organizations'), { body: () => ({ name: 'Renamed' }) }),
    step('updateOrgSettings', updated('organizations'), {
      body: () => ({ genAIFeaturesEnabled: false }),
    }),
    step(
      'createGroup',
      { projects: 1, ...event },
      {
        body: () => ({ name: 'Project', orgId }),
        find: find('groupId', () => '/api/atlas/v1.0/groups', 'Project'),
      },
    ),
    step('updateGroup', updated('projects'), {
      body: () => ({ tags: [{ key: 'a', value: 'b' }] }),
    }),

    step(
      'createOrgApiKey',
      { api_keys: 1, api_key_roles: 1, ...event },
      {
        body: () => ({ desc: 'made', roles: ['ORG_MEMBER'] }),
        find: find('apiUserId', () => `${org}/apiKeys`, 'made'),
      },
    ),
    step('updateOrgApiKey', updated('api_key_roles'), {
      body: () => ({ roles: ['ORG_READ_ONLY'] }),
    }),
    step(
      'addGroupApiKey',
      { api_key_roles: 1, ...event },
      { body: () => [{ roles: ['GROUP_OWNER'] }] },
    ),
    step('updateGroupApiKeyRoles', updated('api_key_roles'), {
      body: () => ({ roles: ['GROUP_READ_ONLY'] }),
    }),
    step('removeGroupApiKey', { api_key_roles: -1, ...event }),
    step(
      'createGroupApiKey',
      { api_keys: 1, api_key_roles: 2, ...event },
      { body: () => ({ desc: 'of it', roles: ['GROUP_OWNER'] }) },
    ),
    step(
      'createOrgApiKeyAccessListEntry',
      { api_key_access_list: 1, ...event },
      { body: () => [{ ipAddress: '192.0.2.1' }] },
    ),
    step('deleteOrgApiKeyAccessListEntry', { api_key_access_list: -1, ...event }),
    step('deleteOrgApiKey', { api_keys: -1, api_key_roles: -1, ...event }),

    step(
      'createOrgServiceAccount',
      { service_accounts: 1, service_account_roles: 1, service_account_secrets: 1, ...event },
      {
        body: () => ({
          name: 'account',
          description: 'text',
          roles: ['ORG_MEMBER'],
          secretExpiresAfterHours: 24,
        }),
        find: find(
          'clientId',
          () => `/api/atlas/v2/orgs/${orgId}/serviceAccounts`,
          'account',
          'clientId',
        ),
      },
    ),
    step('updateOrgServiceAccount', updated('service_accounts'), {
      body: () => ({ name: 'renamed' }),
    }),
    step(
      'createOrgServiceAccountSecret',
      { service_account_secrets: 1, ...event },
      {
        body: () => ({ secretExpiresAfterHours: 8 }),
        find: async (api) => {
          const { json } = await api.call('GET', account());
          ids['secretId'] = String((json['secrets'] as Json[]).at(-1)?.['id']);
        },
      },
    ),
    step('deleteOrgServiceAccountSecret', { service_account_secrets: -1, ...event }),
    step(
      'createOrgServiceAccountAccessList',
      { service_account_access_list: 1, ...event },
      { body: () => [{ ipAddress: '192.0.2.1' }] },
    ),
    step('deleteOrgServiceAccountAccessListEntry', { service_account_access_list: -1, ...event }),
    step('deleteOrgServiceAccount', {
      service_accounts: -1,
      service_account_roles: -1,
      service_account_secrets: -1,
      ...event,
    }),

    step(
      'createDestinationCluster',
      { clusters: 1, ...event },
      { body: () => ({ name: CLUSTER, connectionString: CONNECTION }) },
    ),
    step('testDestinationClusterConnection', event),
    step('updateDestinationCluster', updated('clusters'), {
      body: () => ({ connectionString: CONNECTION }),
    }),
    step(
      'createOrgLiveMigrationLinkToken',
      { api_keys: 1, api_key_access_list: 1, links: 1, events: 2 },
      { body: () => ({ accessListIps: ['127.0.0.1'] }) },
    ),
    step(
      'present the link-token',
      { links: 0, migration_hosts: 1, ...event },
      {
        // The one that was made may have been lost with the server that was killed.
        before: async (api) => {
          await api.call('DELETE', tokens);
          const body = { accessListIps: ['127.0.0.1'] };
          token = textOf(await api.call('POST', tokens, { body }), 'linkToken');
        },
        run: async () => (await host.register(token)).status,
      },
    ),
    step(
      'unlink from the source side',
      { migration_hosts: 0, ...event },
      {
        run: async () => (await host.post('/unlink', {})).status,
      },
    ),
    step('confirmOrganizationLink', updated('links'), {
      prepare: async () => {
        await using store = await open();
        await store.db.updateTable('migration_hosts').set({ unlinked_at: null }).execute();
        await links.suspendAll(store.db, timestamp());
      },
    }),
    step('createOrganizationLinkHostToken', { host_tokens: 1, ...event }),
    step(
      'validateGroupLiveMigrations',
      { validations: 1, ...event },
      {
        before: heard,
        body: own,
      },
    ),
    step(
      'validateLiveMigration',
      { validations: 1, ...event },
      {
        before: heard,
        body: some,
      },
    ),
    step(
      'createGroupLiveMigration',
      { live_migrations: 1, ...event },
      {
        before: heard,
        body: own,
        find: findMigration,
      },
    ),
    step('cancelLiveMigration', updated('live_migrations')),
    step(
      'createLiveMigration',
      { live_migrations: 1, ...event },
      {
        before: heard,
        body: some,
        find: findMigration,
      },
    ),
    step(
      'updateLiveMigration',
      { live_migrations: 0, events: 2 },
      { body: () => ({ throttle: { bytesPerSecond: 1000 }, windowHours: 200 }) },
    ),
    step('moveLiveMigration', updated('live_migrations'), {
      before: async (api) => {
        const path = `/api/linkspan/v1/orgs/${orgId}/liveMigrations/link/hosts`;
        await second.register(textOf(await api.call('POST', path), 'linkToken'));
        await heardOf(second, 'host-2.example.com');
      },
    }),
    step(
      'deleteOrganizationLinkHost',
      { live_migrations: 0, migration_hosts: -1, events: 3 },
      {
        goneOn: async (api) => !(await shows(api, second.hostId)),
        before: heard,
        parameters: () => ({ orgId, hostId: second.hostId }),
      },
    ),
    step('pauseLiveMigration', updated('live_migrations')),
    step('resumeLiveMigration', updated('live_migrations')),
    step('verifyLiveMigration', updated('live_migrations'), { prepare: report }),
    step('repairLiveMigration', updated('live_migrations')),
    step('cutoverGroupLiveMigration', updated('live_migrations')),
    step('cutoverLiveMigration', updated('live_migrations'), {
      prepare: async () => {
        const id = ids['liveMigrationId'] ?? '';
        {
          await using store = await open();
          const attempt = (await liveMigrations.find(store.db, id))?.cutover_attempt ?? 0;
          await liveMigrations.setCutoverFailed(store.db, id, attempt, 'for another one');
        }
        await report();
      },
    }),
    step(
      'deleteOrgLiveMigrationLinkTokens',
      {
        api_keys: -1,
        api_key_access_list: -1,
        links: -1,
        host_tokens: -2,
        migration_hosts: -1,
        live_migrations: 0,
        validations: 0,
        events: 6,
      },
      { goneOn: (api) => shows(api, '"NONE"') },
    ),
    step('deleteDestinationCluster', { clusters: -1, ...event }),
    step('deleteGroup', {
      projects: -1,
      api_key_roles: -1,
      live_migrations: -2,
      validations: -2,
      ...event,
    }),
  ];
}
