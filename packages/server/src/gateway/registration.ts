import type { RegisterHost, RegisterHostReply } from '@linkspan/contract/push/messages.ts';

import { timestamp } from '../domain/time.ts';
import * as events from '../store/events.ts';
import * as links from '../store/links.ts';
import * as migrationHosts from '../store/migrationHosts.ts';
import { hashOf, matches, UNLINKED, type TokenPrincipal } from './authenticate.ts';
import type { GatewayContext } from './context.ts';
import { PushError } from './errors.ts';

const HEARTBEAT_SECONDS = 20;

/**
 * Uses a link-token up for a migration host. The same host with the same secret may ask again.
 * @throws {PushError} LINK_TOKEN_REFUSED
 */
export async function registerHost(
  { store }: GatewayContext,
  { link: { id: linkId }, remoteAddress }: TokenPrincipal,
  message: RegisterHost,
): Promise<RegisterHostReply> {
  return store.transaction(async (tx) => {
    const link = await links.find(tx, linkId);
    const host = await migrationHosts.find(tx, message.hostId);
    if (link === undefined || link.state === 'REMOVING') {
      throw refused('The link-token was removed. Create a new one.');
    }
    const reply = { orgId: link.org_id, linkId, heartbeatSeconds: HEARTBEAT_SECONDS };
    if (link.state === 'LINKED') {
      const same =
        link.token_host_id === message.hostId &&
        host?.link_id === linkId &&
        matches(message.hostSecret, host.secret_hash);
      if (same && host.unlinked_at !== null) throw refused(UNLINKED);
      if (same) return reply;
      throw refused('The link-token was used by another migration host. Create a new one.');
    }
    if (host !== undefined) {
      throw refused('This migration host is linked already: remove that link first.');
    }
    if (Date.parse(link.token_expires_at) <= Date.now()) {
      throw refused('The link-token has expired. Remove it and create a new one.');
    }
    if (!(await links.useToken(tx, linkId, message.hostId))) {
      throw refused('The link-token was used by another migration host. Create a new one.');
    }
    const now = timestamp();
    await migrationHosts.insert(tx, {
      id: message.hostId,
      link_id: linkId,
      hostname: message.hostname,
      secret_hash: hashOf(message.hostSecret),
      agent_version: message.agentVersion,
      inventory: '[]',
      registered_at: now,
      unlinked_at: null,
      heartbeat_at: now,
    });
    await events.record(tx, {
      type: 'LIVE_MIGRATION_HOST_REGISTERED',
      orgId: link.org_id,
      actor: { hostId: message.hostId, remoteAddress },
      targetId: message.hostId,
      detail: { hostname: message.hostname, agentVersion: message.agentVersion },
    });
    return reply;
  });
}

function refused(message: string): PushError {
  return new PushError('LINK_TOKEN_REFUSED', message);
}
