import type { Progress } from '@linkspan/contract/push/progress.ts';
import type { Source } from '@linkspan/contract/push/work.ts';
import type { MoveLiveMigration } from '@linkspan/contract/api/liveMigrations.ts';
import { apiError, attributeError } from '@linkspan/contract/serving/apiError.ts';
import type { Principal } from '../domain/access.ts';
import { timestamp } from '../domain/time.ts';
import type { Actor } from '../store/events.ts';
import type { Executor } from '../store/executor.ts';
import * as links from '../store/links.ts';
import * as liveMigrations from '../store/liveMigrations.ts';
import * as migrationEvents from '../store/migrationEvents.ts';
import * as migrationHosts from '../store/migrationHosts.ts';
import type { LiveMigrationRow, MigrationHostRow } from '../store/schema.ts';
import { actorOf, type OperationContext } from './context.ts';
import { canRead, chooseHost, isInTouch, type SourceDeployment } from './hostChoice.ts';
import { load } from './liveMigrations.ts';
import { isCuttingOver } from './liveMigrationView.ts';

/** What `moved` of a live migration keeps. */
export interface Moved {
  readonly from: string;
  readonly at: string;
  readonly reason: string;
}

/**
 * Gives a live migration to another migration host of its link, at once. The host that had it is refused
 * from then on; what it had sent is waited for by the first session of the new one (invariant I5).
 * @throws {ApiError} 409 if it has ended, is being cut over, or no other host can take it; 400 for a host
 *   that is named and cannot
 */
export async function move(
  context: OperationContext,
  principal: Principal,
  groupId: string,
  id: string,
  { migrationHost }: MoveLiveMigration,
): Promise<void> {
  const { store, work } = context;
  const linkId = await store.transaction(async (tx) => {
    const row = await load(tx, groupId, id);
    const link = row.link_id === null ? undefined : await links.findForUpdate(tx, row.link_id);
    if (!liveMigrations.ACTIVE.includes(row.status) || link === undefined) {
      throw apiError('LIVE_MIGRATION_NOT_ACTIVE', id, row.status);
    }
    if (link.state !== 'LINKED')
      throw apiError('NO_OTHER_MIGRATION_HOST', id, 'its link is being removed');
    const present = await migrationHosts.find(tx, row.host_id);
    if (isCuttingOver(row) && present !== undefined && isInTouch(present, new Date())) {
      throw apiError('LIVE_MIGRATION_CUTOVER_UNDER_WAY', id);
    }
    const to =
      migrationHost === undefined
        ? await otherHost(tx, row)
        : await namedHost(tx, row, migrationHost);
    if (to === undefined) throw apiError('NO_OTHER_MIGRATION_HOST', id, noneReason(row));
    await giveTo(tx, row, to, 'An owner has asked for it.', actorOf(principal));
    return link.id;
  });
  work.changed(linkId);
}

/**
 * The host that may take over a live migration, or undefined. The transaction must hold the link's row.
 */
export function otherHost(
  tx: Executor,
  row: LiveMigrationRow,
): Promise<MigrationHostRow | undefined> {
  const isOther = ({ id }: MigrationHostRow): boolean => id !== row.host_id;
  return chooseHost(tx, row.link_id ?? '', deploymentOf(row), isOther);
}

/** Why there is none, for people. */
export function noneReason(row: LiveMigrationRow): string {
  return `no other host of its link is in touch and has the deployment ${deploymentOf(row).clusterName} in its configuration`;
}

/** Within the link only (rule C9). @throws {ApiError} naming the attribute */
async function namedHost(
  tx: Executor,
  row: LiveMigrationRow,
  name: string,
): Promise<MigrationHostRow> {
  const refused = (why: string) => attributeError('INVALID_ATTRIBUTE', 'migrationHost', why);
  const source = deploymentOf(row);
  const named = (await migrationHosts.listByLink(tx, row.link_id ?? '')).filter(
    (host) => host.hostname === name || host.id === name,
  );
  if (named.length === 0) {
    throw refused(`${name} is not a migration host of this organization's link`);
  }
  const others = named.filter(({ id }) => id !== row.host_id);
  if (others.length === 0) throw refused(`${name} has this live migration already`);
  const able = others.filter((host) => canRead(host, source));
  if (able.length === 0) {
    throw refused(
      `${name} has no deployment ${source.clusterName} in source project ${source.projectId}`,
    );
  }
  const found = able.find((host) => isInTouch(host, new Date()));
  if (found === undefined) throw refused(`${name} is unlinked or has not been heard of lately`);
  return found;
}

function deploymentOf(row: LiveMigrationRow): SourceDeployment {
  return JSON.parse(row.source) as Omit<Source, 'password'>;
}

/**
 * Within a transaction: another host has the migration from here on, an attempt at a cutover has failed,
 * and the last report says what is waited for. Its time stays, so that the lag goes on to grow (invariant
 * I8).
 * @param actor null: the server itself
 * @returns false if it has ended or was given to another host meanwhile
 */
export async function giveTo(
  tx: Executor,
  row: LiveMigrationRow,
  to: MigrationHostRow,
  reason: string,
  actor: Actor,
): Promise<boolean> {
  const moved: Moved = { from: row.hostname, at: timestamp(), reason };
  const next = { host_id: to.id, hostname: to.hostname };
  if (!(await liveMigrations.setHost(tx, row, next, JSON.stringify(moved)))) return false;
  const waitingFor = `Migration host ${to.hostname} takes over from ${row.hostname}.`;
  if (row.progress !== null) {
    const still: Progress = {
      ...(JSON.parse(row.progress) as Progress),
      readyForCutover: false,
      waitingFor,
      rates: null,
      etaSeconds: null,
      holdingBack: 'WAITING',
    };
    await liveMigrations.amendProgress(tx, row.id, JSON.stringify(still));
  }
  if (isCuttingOver(row)) {
    await liveMigrations.setCutoverFailed(tx, row.id, row.cutover_attempt, waitingFor);
    const detail = { cutoverAttempt: row.cutover_attempt, reason: waitingFor };
    await migrationEvents.record(tx, row, 'LIVE_MIGRATION_CUTOVER_FAILED', actor, detail);
  }
  await migrationEvents.record(tx, row, 'LIVE_MIGRATION_MOVED', actor, {
    from: row.hostname,
    fromHostId: row.host_id,
    to: to.hostname,
    toHostId: to.id,
    reason,
  });
  return true;
}
