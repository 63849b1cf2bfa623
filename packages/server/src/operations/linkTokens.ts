import type {
  CreateLinkToken,
  LinkToken,
  OrganizationLink,
} from '@linkspan/contract/api/linkTokens.ts';
import { encodeLinkToken } from '@linkspan/contract/push/linkToken.ts';
import type { Principal } from '../domain/access.ts';
import { apiError } from '@linkspan/contract/serving/apiError.ts';
import { newId } from '../domain/ids.ts';
import { secretHash } from '../domain/keyPair.ts';
import { organizationLinkState } from '../domain/linkState.ts';
import { apiTime, timestamp } from '../domain/time.ts';
import * as apiKeys from '../store/apiKeys.ts';
import * as events from '../store/events.ts';
import * as links from '../store/links.ts';
import * as liveMigrations from '../store/liveMigrations.ts';
import * as migrationHosts from '../store/migrationHosts.ts';
import * as projects from '../store/projects.ts';
import { checkRoom, checkedCidr } from './accessListEntries.ts';
import { actorOf, type OperationContext } from './context.ts';
import { countByHost } from './hostChoice.ts';
import { insertKey } from './keys.ts';

export const HOUR_MS = 60 * 60_000;

const KEY_DESCRIPTION =
  'Organization link for live migrations. Deleting this key removes the link.';

/**
 * Makes the organization's link, its API key and the link-token that carries both.
 * @throws {ApiError} ORG_LINK_ALREADY_EXISTS while there is a link, one that is being removed included
 */
export async function create(
  context: OperationContext,
  principal: Principal,
  orgId: string,
  body: CreateLinkToken,
): Promise<LinkToken> {
  const { store } = context;
  const accessList = [
    ...new Set(
      (body.accessListIps ?? []).map((ip, index) => checkedCidr(ip, `accessListIps.${index}`)),
    ),
  ];
  checkRoom('the organization link', accessList.length);
  const linkId = newId();
  return store.transaction(async (tx) => {
    if ((await links.findByOrganization(tx, orgId)) !== undefined) {
      throw apiError('ORG_LINK_ALREADY_EXISTS', orgId, orgId);
    }
    const key = await insertKey(tx, store.sealer, { orgId, description: KEY_DESCRIPTION, linkId });
    const now = timestamp();
    const expires = timestamp(new Date(Date.now() + context.linkTokenHours * HOUR_MS));
    for (const cidr of accessList) {
      await apiKeys.addAccessListEntry(tx, { api_key_id: key.row.id, cidr, created_at: now });
    }
    const linkToken = encodeLinkToken({
      v: 1,
      endpoint: context.publicUrl(),
      orgId,
      publicKey: key.row.public_key,
      privateKey: key.privateKey,
    });
    await links.insert(tx, {
      id: linkId,
      org_id: orgId,
      api_key_id: key.row.id,
      state: 'PENDING',
      token_hash: secretHash(linkToken),
      token_expires_at: expires,
      token_host_id: null,
      access_list: JSON.stringify(accessList),
      created_at: now,
      suspended_at: null,
    });
    const actor = actorOf(principal);
    await events.record(tx, { type: 'API_KEY_CREATED', orgId, actor, targetId: key.row.id });
    await events.record(tx, {
      type: 'LIVE_MIGRATION_LINK_TOKEN_CREATED',
      orgId,
      actor,
      targetId: linkId,
      detail: { apiKeyId: key.row.id, accessListIps: accessList, expires: apiTime(expires) },
    });
    return { linkToken };
  });
}

/** The link as it is now, and what removing it would stop. */
export async function describe(
  context: OperationContext,
  orgId: string,
): Promise<OrganizationLink> {
  const { db } = context.store;
  const link = await links.findByOrganization(db, orgId);
  if (link === undefined) {
    return {
      impact: { liveMigrations: [], projects: [] },
      linkTokenExpires: null,
      migrationHosts: [],
      state: 'NONE',
    };
  }
  const hosts = await migrationHosts.listByLink(db, link.id);
  const active = await liveMigrations.listActive(db, { link_id: link.id });
  const running = await countByHost(db, link.id);
  const projectIds = new Set(active.map((migration) => migration.project_id));
  const affected = (await projects.listByOrganization(db, orgId)).filter(({ id }) =>
    projectIds.has(id),
  );
  return {
    impact: {
      liveMigrations: active.map(({ project_id, id, status }) => ({
        groupId: project_id,
        id,
        status,
      })),
      projects: affected.map(({ id, name }) => ({ id, name })),
    },
    linkTokenExpires: link.state === 'PENDING' ? apiTime(link.token_expires_at) : null,
    migrationHosts: hosts.map((host) => ({
      agentVersion: host.agent_version,
      hostname: host.hostname,
      id: host.id,
      lastHeartbeat: apiTime(host.heartbeat_at),
      liveMigrations: running.get(host.id) ?? 0,
      unlinked: host.unlinked_at === null ? null : apiTime(host.unlinked_at),
    })),
    state: organizationLinkState(
      link.suspended_at !== null && link.state !== 'REMOVING' ? 'SUSPENDED' : link.state,
      hosts.map((host) => ({
        heartbeatAt: host.heartbeat_at,
        hasReported: host.inventory !== '[]',
        isUnlinked: host.unlinked_at !== null,
      })),
      new Date(),
    ),
  };
}
