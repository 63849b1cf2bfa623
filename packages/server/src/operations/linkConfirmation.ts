import type { OrganizationLink } from '@linkspan/contract/api/linkTokens.ts';
import { linkNotFound } from '@linkspan/contract/serving/apiError.ts';
import type { Principal } from '../domain/access.ts';
import * as events from '../store/events.ts';
import * as links from '../store/links.ts';
import { actorOf, type OperationContext } from './context.ts';
import { describe } from './linkTokens.ts';

/**
 * An owner says that a link which came back with a backup is to go on (rule C8). One that is not
 * suspended stays as it is.
 * @throws {ApiError} the recorded 404 without a link
 */
export async function confirm(
  context: OperationContext,
  principal: Principal,
  orgId: string,
): Promise<OrganizationLink> {
  const linkId = await context.store.transaction(async (tx) => {
    const link = await links.findByOrganizationForUpdate(tx, orgId);
    if (link === undefined) throw linkNotFound();
    if (await links.confirm(tx, link.id)) {
      await events.record(tx, {
        type: 'LIVE_MIGRATION_LINK_CONFIRMED',
        orgId,
        actor: actorOf(principal),
        targetId: link.id,
      });
    }
    return link.id;
  });
  context.work.changed(linkId);
  return describe(context, orgId);
}
