import type { HttpAnswer } from '../src/client.ts';
import { listAt, textAt, uniqueName } from '../src/setup.ts';
import { type Lab, migrationBody } from './lab.ts';

/** A request that is answered with an error. */
export interface ErrorCase {
  readonly code: string;
  readonly status: number;
  readonly obtain: (lab: Lab) => Promise<HttpAnswer>;
}

/** An id that nothing has. */
const NOTHING = 'f'.repeat(24);

const of = (code: string, status: number, obtain: ErrorCase['obtain']): ErrorCase => ({
  code,
  status,
  obtain,
});

/** Who may call, and from where. */
const ACCESS: readonly ErrorCase[] = [
  of('USER_UNAUTHORIZED', 401, async (lab) => {
    const as = await lab.key(lab, 'ORG_READ_ONLY');
    return lab.call('PATCH', `/orgs/${lab.orgId}`, { as, body: { name: 'Other' } });
  }),
  of('USER_CANNOT_ACCESS_ORG', 401, async (lab) => {
    const { owner } = await lab.organization();
    return lab.call('GET', `/orgs/${lab.orgId}`, { as: owner.credential });
  }),
  of('USER_CANNOT_ACCESS_GROUP', 401, async (lab) => {
    const groupId = await lab.project(lab);
    const { owner } = await lab.organization();
    return lab.call('GET', `/groups/${groupId}`, { as: owner.credential });
  }),
  of('NOT_ORG_GROUP_CREATOR', 401, async (lab) => {
    const as = await lab.key(lab, 'ORG_MEMBER');
    const body = { name: uniqueName('Project'), orgId: lab.orgId };
    return lab.call('POST', '/groups', { as, body });
  }),
  of('IP_ADDRESS_NOT_ON_ACCESS_LIST', 403, async (lab) => {
    const { orgId, owner } = await lab.organization();
    const body = { desc: 'elsewhere', roles: ['ORG_MEMBER'] };
    const key = await owner.call('POST', `/orgs/${orgId}/apiKeys`, body);
    const list = `/orgs/${orgId}/apiKeys/${textAt(key, 'id')}/accessList`;
    await owner.call('POST', list, [{ ipAddress: '192.0.2.1' }]);
    const publicKey = textAt(key, 'publicKey');
    const as = { kind: 'digest', publicKey, privateKey: textAt(key, 'privateKey') } as const;
    return lab.call('GET', '/orgs', { as });
  }),
  of('ORG_REQUIRES_ACCESS_LIST', 403, async (lab) => {
    const { orgId, owner } = await lab.organization();
    await owner.call('PATCH', `/orgs/${orgId}/settings`, { apiAccessListRequired: true });
    return lab.call('GET', `/orgs/${orgId}`, { as: owner.credential });
  }),
  of('TOO_MANY_FAILED_SIGN_INS', 429, async (lab) => {
    const as = { kind: 'digest', publicKey: 'guessing', privateKey: 'nothing' } as const;
    for (let count = 0; count < 100; count += 1) await lab.call('GET', '/orgs', { as });
    return lab.call('GET', '/orgs', { as });
  }),
  of('RATE_LIMITED_TOKEN_BUCKET', 429, async (lab) => {
    const { orgId, owner } = await lab.organization();
    const as = owner.credential;
    for (let count = 0; count < 10; count += 1) {
      await lab.call('GET', `/orgs/${orgId}/settings`, { as });
    }
    return lab.call('GET', `/orgs/${orgId}/settings`, { as });
  }),
];

/** What is not there. */
const ABSENT: readonly ErrorCase[] = [
  of('UNEXPECTED_ERROR', 404, async (lab) => {
    const { orgId, owner } = await lab.organization();
    const as = owner.credential;
    return lab.call('DELETE', `/orgs/${orgId}/liveMigrations/linkTokens`, { as });
  }),
  of('INVALID_ORG_ID', 404, (lab) => lab.call('GET', '/orgs/555')),
  of('INVALID_GROUP_ID', 404, (lab) => lab.call('GET', '/groups/555')),
  of('ORG_NOT_FOUND', 404, (lab) => lab.call('GET', `/orgs/${NOTHING}`)),
  of('GROUP_NOT_FOUND', 404, (lab) => lab.call('GET', `/groups/${NOTHING}`)),
  of('GROUP_NAME_NOT_FOUND', 404, (lab) => lab.call('GET', '/groups/byName/nothing')),
  of('CLUSTER_NOT_FOUND', 404, async (lab) =>
    lab.call('GET', `/groups/${await lab.project(lab)}/clusters/nothing`),
  ),
  of('RESOURCE_NOT_FOUND', 404, (lab) => lab.call('GET', '/nothing')),
  of('API_KEY_NOT_FOUND', 400, (lab) => lab.call('GET', `/orgs/${lab.orgId}/apiKeys/${NOTHING}`)),
  of('API_KEY_WHITELIST_NOT_FOUND', 404, async (lab) => {
    const key = await anyKey(lab);
    return lab.call('GET', `/orgs/${lab.orgId}/apiKeys/${key}/accessList/192.0.2.1`);
  }),
  of('EVENT_NOT_FOUND', 404, async (lab) =>
    lab.call('GET', `/groups/${await lab.project(lab)}/events/${NOTHING}`),
  ),
  of('ORG_EVENT_NOT_FOUND', 404, (lab) => lab.call('GET', `/orgs/${lab.orgId}/events/${NOTHING}`)),
];

/** Service accounts and what belongs to them. */
const SERVICE_ACCOUNTS: readonly ErrorCase[] = [
  of('SERVICE_ACCOUNT_NOT_FOUND', 404, (lab) =>
    lab.call('GET', `/orgs/${lab.orgId}/serviceAccounts/mdb_sa_id_${NOTHING}`),
  ),
  of('SERVICE_ACCOUNT_SECRET_NOT_FOUND', 404, async (lab) =>
    lab.call('DELETE', `${await anyAccount(lab)}/secrets/${NOTHING}`),
  ),
  of('SERVICE_ACCOUNT_ACCESS_LIST_ENTRY_NOT_FOUND', 404, async (lab) =>
    lab.call('DELETE', `${await anyAccount(lab)}/accessList/192.0.2.1`),
  ),
  of('MAX_SERVICE_ACCOUNT_SECRETS_REACHED', 400, async (lab) => {
    const secrets = `${await anyAccount(lab)}/secrets`;
    const body = { secretExpiresAfterHours: 8 };
    await lab.owner.call('POST', secrets, body);
    return lab.call('POST', secrets, { body });
  }),
];

/** How the request is made. */
const FORM: readonly ErrorCase[] = [
  of('METHOD_NOT_ALLOWED', 405, (lab) => lab.call('DELETE', '/orgs')),
  of('INVALID_VERSION_DATE', 406, (lab) =>
    lab.call('GET', '/orgs', { headers: { accept: 'application/json' } }),
  ),
  of('VERSION_GONE', 410, async (lab) => {
    const headers = { accept: 'application/vnd.atlas.2023-01-01+json' };
    return lab.call('POST', `/groups/${await lab.project(lab)}/liveMigrations`, { headers });
  }),
  of('PAYLOAD_TOO_LARGE', 413, (lab) =>
    lab.call('POST', '/orgs', { body: { name: 'x'.repeat(1024 * 1024) } }),
  ),
  of('UNSUPPORTED_MEDIA_TYPE', 415, (lab) =>
    lab.call('POST', '/orgs', { body: 'name', headers: { 'content-type': 'text/plain' } }),
  ),
  of('MALFORMED_JSON', 400, (lab) => lab.call('POST', '/orgs', { body: '{"name"' })),
  of('INVALID_JSON', 400, (lab) => lab.call('POST', '/orgs', { body: '5' })),
  of('INVALID_JSON_ATTRIBUTE', 400, (lab) => lab.call('POST', '/orgs', { body: { name: 5 } })),
  of('MISSING_ATTRIBUTE', 400, (lab) => lab.call('POST', '/groups', { body: {} })),
  of('MISSING_ONE_OF_ATTRIBUTES', 400, (lab) =>
    lab.call('POST', '/orgs', { body: { name: 'No key' } }),
  ),
  of('INVALID_ATTRIBUTE', 400, (lab) =>
    lab.call('POST', '/groups', { body: { name: 'Project', orgId: lab.orgId, colour: 'red' } }),
  ),
  of('INVALID_ENUM_VALUE', 400, (lab) =>
    lab.call('POST', '/groups', {
      body: { name: 'Project', orgId: lab.orgId, regionUsageRestrictions: 'MOON' },
    }),
  ),
  of('INVALID_PATH_PARAMETER', 400, (lab) => lab.call('GET', `/groups/byName/${'x'.repeat(2000)}`)),
  of('INVALID_QUERY_PARAMETER', 400, (lab) => lab.call('GET', '/orgs?pageNum=0')),
  of('INVALID_DATE_FORMAT', 400, (lab) =>
    lab.call('GET', `/orgs/${lab.orgId}/events?minDate=yesterday`),
  ),
  of('INVALID_DATE_RANGE', 400, (lab) =>
    lab.call(
      'GET',
      `/orgs/${lab.orgId}/events?minDate=2026-02-01T00:00:00Z&maxDate=2026-01-01T00:00:00Z`,
    ),
  ),
  of('VALIDATION_ERROR', 400, (lab) => lab.call('GET', '/groups/byName/%E0%A4%A')),
];

/** What attributes say. */
const VALUES: readonly ErrorCase[] = [
  of('GROUP_MISMATCH', 400, async (lab) => {
    const path = `/groups/${await lab.project(lab)}/liveMigrations`;
    return lab.call('POST', path, { body: migrationBody(NOTHING) });
  }),
  of('INVALID_IP_ADDRESS_OR_CIDR_NOTATION', 400, (lab) =>
    lab.call('POST', `/orgs/${lab.orgId}/liveMigrations/linkTokens`, {
      body: { accessListIps: ['everywhere'] },
    }),
  ),
  of('BAD_WHITELIST_ADD_REQUEST', 400, async (lab) =>
    lab.call('POST', `/orgs/${lab.orgId}/apiKeys/${await anyKey(lab)}/accessList`, {
      body: [{ ipAddress: '192.0.2.1', cidrBlock: '192.0.2.0/24' }],
    }),
  ),
  of('DUPLICATE_ADDRESSES_IN_INPUT', 400, async (lab) =>
    lab.call('POST', `/orgs/${lab.orgId}/apiKeys/${await anyKey(lab)}/accessList`, {
      body: [{ ipAddress: '192.0.2.1' }, { cidrBlock: '192.0.2.1/32' }],
    }),
  ),
  of('MAX_ACCESS_LIST_ENTRIES_REACHED', 400, async (lab) => {
    const body = Array.from({ length: 201 }, (_, index) => ({ ipAddress: `192.0.2.${index}` }));
    return lab.call('POST', `/orgs/${lab.orgId}/apiKeys/${await anyKey(lab)}/accessList`, { body });
  }),
  of('CANNOT_REMOVE_CALLER_FROM_WHITELIST', 400, async (lab) => {
    const { orgId, owner } = await lab.organization();
    const keys = listAt(await owner.call('GET', `/orgs/${orgId}/apiKeys`), 'results');
    const list = `/orgs/${orgId}/apiKeys/${textAt(keys[0] ?? {}, 'id')}/accessList`;
    await owner.call('POST', list, [{ cidrBlock: '127.0.0.0/8' }]);
    return lab.call('DELETE', `${list}/127.0.0.0%2F8`, { as: owner.credential });
  }),
  of('API_KEY_REQUIRES_DESCRIPTION', 400, (lab) =>
    lab.call('POST', `/orgs/${lab.orgId}/apiKeys`, { body: { desc: '', roles: ['ORG_MEMBER'] } }),
  ),
  of('INVALID_API_KEY_DESC', 400, (lab) =>
    lab.call('POST', `/orgs/${lab.orgId}/apiKeys`, {
      body: { desc: 'x'.repeat(251), roles: ['ORG_MEMBER'] },
    }),
  ),
  of('MISSING_API_KEY_ROLES', 400, async (lab) =>
    lab.call('PATCH', `/orgs/${lab.orgId}/apiKeys/${await anyKey(lab)}`, { body: { roles: [] } }),
  ),
  of('INVALID_ROLE_FOR_ORG', 400, (lab) =>
    lab.call('POST', `/orgs/${lab.orgId}/apiKeys`, {
      body: { desc: 'key', roles: ['GROUP_OWNER'] },
    }),
  ),
  of('INVALID_ROLE_FOR_GROUP', 400, async (lab) =>
    lab.call('POST', `/groups/${await lab.project(lab)}/apiKeys`, {
      body: { desc: 'key', roles: ['ORG_OWNER'] },
    }),
  ),
  of('INVALID_GROUP_NAME', 400, (lab) =>
    lab.call('POST', '/groups', { body: { name: '<b>', orgId: lab.orgId } }),
  ),
  of('INVALID_ORG_NAME', 400, (lab) =>
    lab.call('PATCH', `/orgs/${lab.orgId}`, { body: { name: '<b>' } }),
  ),
];

/** What stands in the way. */
const CONFLICTS: readonly ErrorCase[] = [
  of('ADDRESS_ALREADY_IN_WHITELIST', 409, async (lab) => {
    const list = `/orgs/${lab.orgId}/apiKeys/${await anyKey(lab)}/accessList`;
    const body = [{ ipAddress: '192.0.2.1' }];
    await lab.owner.call('POST', list, body);
    return lab.call('POST', list, { body });
  }),
  of('GROUP_ALREADY_EXISTS', 409, async (lab) => {
    const body = { name: uniqueName('Project'), orgId: lab.orgId };
    await lab.owner.call('POST', '/groups', body);
    return lab.call('POST', '/groups', { body });
  }),
  of('CLUSTER_ALREADY_EXISTS', 409, async (lab) =>
    lab.call('POST', `/api/linkspan/v1/groups/${await lab.project(lab)}/clusters`, {
      body: { name: 'target', connectionString: 'mongodb://db.example.com:27017' },
    }),
  ),
  of('ORG_NOT_EMPTY', 409, async (lab) => {
    const organization = await lab.organization();
    await lab.project(organization);
    return lab.call('DELETE', `/orgs/${organization.orgId}`, {
      as: organization.owner.credential,
    });
  }),
  of('CANNOT_CLOSE_GROUP_ACTIVE_ATLAS_CLUSTERS', 409, async (lab) =>
    lab.call('DELETE', `/groups/${await lab.project(lab)}`),
  ),
  of('CANNOT_REMOVE_LAST_ORG_OWNER', 409, async (lab) => {
    const { orgId, owner } = await lab.organization();
    const keys = listAt(await owner.call('GET', `/orgs/${orgId}/apiKeys`), 'results');
    const path = `/orgs/${orgId}/apiKeys/${textAt(keys[0] ?? {}, 'id')}`;
    return lab.call('DELETE', path, { as: owner.credential });
  }),
];

/** Organization links and live migrations. */
const MIGRATIONS: readonly ErrorCase[] = [
  of('ORG_LINK_NOT_LINKED', 409, async (lab) => {
    const groupId = await lab.project(lab);
    const body = migrationBody(groupId);
    return lab.call('POST', `/groups/${groupId}/liveMigrations`, { body });
  }),
  of('ORG_LINK_ALREADY_EXISTS', 409, async (lab) => {
    const { orgId, owner } = await linked(lab);
    const path = `/orgs/${orgId}/liveMigrations/linkTokens`;
    return lab.call('POST', path, { as: owner.credential, body: {} });
  }),
  of('ORG_HAS_LINK', 409, async (lab) => {
    const { orgId, owner } = await linked(lab);
    return lab.call('DELETE', `/orgs/${orgId}`, { as: owner.credential });
  }),
  of('CANNOT_MODIFY_LINK_API_KEY', 409, async (lab) => {
    const { orgId, owner } = await linked(lab);
    const keys = listAt(await owner.call('GET', `/orgs/${orgId}/apiKeys`), 'results');
    const key = keys.find(({ desc }) => String(desc).includes('link')) ?? {};
    const path = `/orgs/${orgId}/apiKeys/${textAt(key, 'id')}`;
    return lab.call('PATCH', path, { as: owner.credential, body: { desc: 'mine' } });
  }),
  of('CANNOT_DELETE_ORG_ACTIVE_LIVE_MIGRATION_ATLAS_ORG_LINK', 409, async (lab) => {
    const { orgId, as } = await migrating(lab);
    return lab.call('DELETE', `/orgs/${orgId}`, { as });
  }),
  of('CANNOT_MODIFY_CLUSTER_WITH_RUNNING_LIVE_IMPORT', 409, async (lab) => {
    const { groupId, as } = await migrating(lab);
    const body = migrationBody(groupId);
    return lab.call('POST', `/groups/${groupId}/liveMigrations`, { as, body });
  }),
  of('LIVE_MIGRATION_NOT_READY_FOR_CUTOVER', 409, async (lab) => {
    const { groupId, id, as } = await migrating(lab);
    return lab.call('PUT', `/groups/${groupId}/liveMigrations/${id}/cutover`, { as });
  }),
  of('NO_OTHER_MIGRATION_HOST', 409, async (lab) => {
    const { groupId, id, as } = await migrating(lab);
    const path = `/api/linkspan/v1/groups/${groupId}/liveMigrations/${id}/move`;
    return lab.call('POST', path, { as });
  }),
  of('MIGRATION_HOST_IN_USE', 409, async (lab) => {
    const { orgId, owner, as } = await migrating(lab);
    const path = `/api/linkspan/v1/orgs/${orgId}/liveMigrations/link`;
    const [host] = listAt(await owner.call('GET', path), 'migrationHosts');
    return lab.call('DELETE', `${path}/hosts/${textAt(host ?? {}, 'id')}`, { as });
  }),
  of('LIVE_MIGRATION_NOT_ACTIVE', 409, async (lab) => {
    const { orgId, owner, groupId, id, as } = await migrating(lab);
    await owner.call('DELETE', `/orgs/${orgId}/liveMigrations/linkTokens`);
    return lab.call('PUT', `/groups/${groupId}/liveMigrations/${id}/cutover`, { as });
  }),
  of('LIVE_MIGRATION_COPIED_DATA_KEPT', 409, async (lab) => {
    const { owner, groupId, id, as } = await migrating(lab);
    const path = `/api/linkspan/v1/groups/${groupId}/liveMigrations/${id}/cancel`;
    await owner.call('POST', path);
    return lab.call('POST', path, { as, body: { dropCopied: true } });
  }),
  of('SERVICE_UNAVAILABLE', 503, async (lab) => {
    const { orgId, owner } = await linked(lab);
    lab.unproven = true;
    try {
      const path = `/orgs/${orgId}/liveMigrations/linkTokens`;
      return await lab.call('DELETE', path, { as: owner.credential });
    } finally {
      lab.unproven = false;
    }
  }),
];

export const ERROR_CASES: readonly ErrorCase[] = [
  ...ACCESS,
  ...ABSENT,
  ...SERVICE_ACCOUNTS,
  ...FORM,
  ...VALUES,
  ...CONFLICTS,
  ...MIGRATIONS,
];

async function anyKey({ orgId, owner }: Lab): Promise<string> {
  const body = { desc: 'key', roles: ['ORG_MEMBER'] };
  return textAt(await owner.call('POST', `/orgs/${orgId}/apiKeys`, body), 'id');
}

/** @returns the path of a new service account, with one secret */
async function anyAccount({ orgId, owner }: Lab): Promise<string> {
  const made = await owner.call('POST', `/orgs/${orgId}/serviceAccounts`, {
    name: uniqueName('account'),
    description: 'made by a test',
    roles: ['ORG_MEMBER'],
    secretExpiresAfterHours: 8,
  });
  return `/orgs/${orgId}/serviceAccounts/${textAt(made, 'clientId')}`;
}

async function linked(lab: Lab) {
  const organization = await lab.organization();
  await lab.link(organization);
  return organization;
}

async function migrating(lab: Lab) {
  const organization = await linked(lab);
  const groupId = await lab.project(organization);
  const id = await lab.migration(organization, groupId);
  return { ...organization, groupId, id, as: organization.owner.credential };
}
