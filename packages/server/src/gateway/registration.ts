import type { RegisterHost, RegisterHostReply } from '@linkspan/contract/push/host.ts';

import { timestamp } from '../domain/time.ts';
import type { SignInFailure } from '../operations/signInAudit.ts';
import * as events from '../store/events.ts';
import type { Executor } from '../store/executor.ts';
import * as hostTokens from '../store/hostTokens.ts';
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
  { store, audit }: GatewayContext,
  principal: TokenPrincipal,
  message: RegisterHost,
): Promise<RegisterHostReply> {
  const { link: presented, remoteAddress } = principal;
  try {
    return await store.transaction((tx) => useToken(tx, principal, message));
  } catch (error) {
    if (error instanceof TokenRefusedError) {
      const account = { kind: 'linkToken', id: presented.id, orgId: presented.org_id } as const;
      audit.failed(account, remoteAddress, error.failure);
    }
    throw error;
  }
}

/** A link-token that is known, and not to be used by whoever presents it. */
class TokenRefusedError extends PushError {
  readonly failure: SignInFailure;

  constructor(failure: SignInFailure, message: string) {
    super('LINK_TOKEN_REFUSED', message);
    this.failure = failure;
  }
}

async function useToken(
  tx: Executor,
  { link: { id: linkId }, hostTokenId, remoteAddress }: TokenPrincipal,
  message: RegisterHost,
): Promise<RegisterHostReply> {
  const link = await links.findForShare(tx, linkId);
  const host = await migrationHosts.find(tx, message.hostId);
  const token = hostTokenId === null ? link : await hostTokens.find(tx, hostTokenId);
  if (link === undefined || token === undefined || link.state === 'REMOVING') {
    throw refused('The link-token was removed. Create a new one.');
  }
  const reply = { orgId: link.org_id, linkId, heartbeatSeconds: HEARTBEAT_SECONDS };
  if (token.token_host_id !== null) {
    const same =
      token.token_host_id === message.hostId &&
      host?.link_id === linkId &&
      matches(message.hostSecret, host.secret_hash);
    if (same && host.unlinked_at !== null) throw refused(UNLINKED);
    if (same) return reply;
    throw usedByAnother();
  }
  if (host !== undefined) {
    throw refused('This migration host is linked already: remove that link first.');
  }
  if (Date.parse(token.token_expires_at) <= Date.now()) {
    throw new TokenRefusedError(
      'EXPIRED',
      hostTokenId === null
        ? 'The link-token has expired. Remove it and create a new one.'
        : 'The link-token has expired. Create another one for this host.',
    );
  }
  const isFirst = await (hostTokenId === null
    ? links.useToken(tx, linkId, message.hostId)
    : hostTokens.use(tx, hostTokenId, message.hostId));
  if (!isFirst) throw usedByAnother();
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
    removing_at: null,
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
}

function usedByAnother(): PushError {
  return new TokenRefusedError(
    'USED_BY_ANOTHER_HOST',
    'The link-token was used by another migration host. Create a new one.',
  );
}

function refused(message: string): PushError {
  return new PushError('LINK_TOKEN_REFUSED', message);
}
