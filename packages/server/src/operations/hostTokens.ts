import { randomUUID } from 'node:crypto';
import type { LinkToken } from '@linkspan/contract/api/linkTokens.ts';
import { encodeLinkToken } from '@linkspan/contract/push/linkToken.ts';
import { apiError } from '@linkspan/contract/serving/apiError.ts';
import type { Principal } from '../domain/access.ts';
import { newId } from '../domain/ids.ts';
import { secretHash } from '../domain/keyPair.ts';
import { apiTime, timestamp } from '../domain/time.ts';
import * as apiKeys from '../store/apiKeys.ts';
import * as events from '../store/events.ts';
import * as hostTokens from '../store/hostTokens.ts';
import * as links from '../store/links.ts';
import { actorOf, type OperationContext } from './context.ts';
import { HOUR_MS } from './linkTokens.ts';

/**
 * Makes a link-token for one more migration host of the organization's link (rule C5): it can be used
 * once, expires like the first, and goes with the link. It names the link's API key, of which the server
 * does not keep the private key: a random one stands in its place, which opens nothing but `link`.
 * @throws {ApiError} 409 unless a host has linked with the first token
 */
export async function create(
  context: OperationContext,
  principal: Principal,
  orgId: string,
): Promise<LinkToken> {
  const { store } = context;
  return store.transaction(async (tx) => {
    const found = await links.findByOrganization(tx, orgId);
    const link = found && (await links.findForShare(tx, found.id));
    if (link === undefined) throw notLinked(orgId, 'create a link-token first');
    if (link.state === 'PENDING') {
      throw notLinked(orgId, 'its first link-token is still to be presented');
    }
    const key =
      link.api_key_id === null
        ? undefined
        : await apiKeys.findInOrganization(tx, orgId, link.api_key_id);
    if (link.state === 'REMOVING' || key === undefined) {
      throw notLinked(orgId, 'its link-token is being removed');
    }
    if (link.suspended_at !== null) {
      throw notLinked(orgId, 'it is suspended since a backup was restored; confirm it first');
    }
    const linkToken = encodeLinkToken({
      v: 1,
      endpoint: context.publicUrl(),
      orgId,
      publicKey: key.public_key,
      privateKey: randomUUID(),
    });
    const now = new Date();
    const expires = timestamp(new Date(now.getTime() + context.linkTokenHours * HOUR_MS));
    const id = newId();
    await hostTokens.insert(tx, {
      id,
      link_id: link.id,
      token_hash: secretHash(linkToken),
      token_expires_at: expires,
      token_host_id: null,
      created_at: timestamp(now),
    });
    await events.record(tx, {
      type: 'LIVE_MIGRATION_HOST_TOKEN_CREATED',
      orgId,
      actor: actorOf(principal),
      targetId: link.id,
      detail: { hostTokenId: id, expires: apiTime(expires) },
    });
    return { linkToken };
  });
}

function notLinked(orgId: string, why: string) {
  return apiError('ORG_LINK_NOT_LINKED', orgId, why);
}
