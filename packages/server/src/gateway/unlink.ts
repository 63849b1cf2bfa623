import type { Progress } from '@linkspan/contract/push/progress.ts';

import { timestamp } from '../domain/time.ts';
import * as events from '../store/events.ts';
import type { Executor } from '../store/executor.ts';
import * as links from '../store/links.ts';
import * as liveMigrations from '../store/liveMigrations.ts';
import * as migrationHosts from '../store/migrationHosts.ts';
import type { LiveMigrationRow } from '../store/schema.ts';
import * as validations from '../store/validations.ts';
import { UNLINKED, type HostPrincipal } from './authenticate.ts';
import type { GatewayContext } from './context.ts';
import { PushError } from './errors.ts';

const REASON = 'The migration host was unlinked from the source side.';

/**
 * The source side has unlinked: the link shows as not synced, and the host is refused from here on.
 * Nothing is removed. Its live migrations stay, are not ready for cutover and say why; what only the
 * host could answer, a validation or a cutover under way, fails.
 */
export async function unlinkHost(context: GatewayContext, principal: HostPrincipal): Promise<void> {
  const { store, sessions, announce, log, stopping } = context;
  const { host, link } = principal;
  await store.lockingTransaction(async (tx) => {
    await links.hold(tx, { id: link.id });
    if (!(await migrationHosts.setUnlinked(tx, host.id, timestamp()))) return;
    await record(tx, principal, 'LIVE_MIGRATION_HOST_UNLINKED', host.id);
    for (const row of await validations.listPendingOfHosts(tx, [host.id])) {
      const at = timestamp();
      const result = { status: 'FAILED', findings: '[]', errorMessage: REASON, at } as const;
      if (!(await validations.settle(tx, row.id, result))) continue;
      await record(tx, principal, 'CLUSTER_IMPORT_VALIDATION_FAIL', row.id, row.project_id);
    }
    for (const row of await liveMigrations.listActiveForUpdate(tx, host.id)) {
      await standStill(tx, principal, row);
    }
  });
  announce(link.id);
  // The agent has closed its sessions, unless it was killed in between.
  const refused = new PushError('LINK_REFUSED', UNLINKED);
  for (const session of sessions.list({ linkId: link.id })) {
    if (session.identity.hostId !== host.id) {
      session.ranges.end({ hostId: host.id }, session.refused).catch((error: unknown) => {
        log.warn({ err: error }, 'ranges of an unlinked host are not settled yet');
      });
      continue;
    }
    session.refuse(refused);
    sessions.retire(session, refused, stopping).catch((error: unknown) => {
      if (!stopping.aborted)
        log.error({ err: error }, 'a session of an unlinked host is not settled');
    });
  }
}

/** The time of the last report stays, so that the lag goes on to grow (invariant I8). */
async function standStill(
  tx: Executor,
  principal: HostPrincipal,
  row: LiveMigrationRow,
): Promise<void> {
  const { id, cutover_attempt: attempt } = row;
  if (row.progress !== null) {
    const progress = JSON.parse(row.progress) as Progress;
    const still: Progress = {
      ...progress,
      readyForCutover: false,
      waitingFor: REASON,
      rates: null,
      etaSeconds: null,
      holdingBack: 'WAITING',
    };
    await liveMigrations.amendProgress(tx, id, JSON.stringify(still));
  }
  if (attempt > row.cutover_failed_attempt) {
    await liveMigrations.setCutoverFailed(tx, id, attempt, REASON);
    await record(tx, principal, 'LIVE_MIGRATION_CUTOVER_FAILED', id, row.project_id);
  }
}

async function record(
  tx: Executor,
  { host, link, remoteAddress }: HostPrincipal,
  type: events.NewEvent['type'],
  targetId: string,
  projectId: string | null = null,
): Promise<void> {
  await events.record(tx, {
    type,
    orgId: link.org_id,
    projectId,
    actor: { hostId: host.id, remoteAddress },
    targetId,
    detail:
      type === 'LIVE_MIGRATION_HOST_UNLINKED' ? { hostname: host.hostname } : { reason: REASON },
  });
}
