import type { Selectable, SelectQueryBuilder } from 'kysely';
import { EVENT_TYPES, type EventType } from '../domain/eventTypes.ts';
import { newId } from '../domain/ids.ts';
import { timestamp } from '../domain/time.ts';
import type { Executor } from './executor.ts';
import type { EventRow, Schema } from './schema.ts';

/**
 * Who did it: an API key, a service account, a migration host, somebody who did not prove to be
 * anyone, or null for the server itself.
 */
export type Actor =
  | { readonly apiKeyId: string; readonly publicKey: string; readonly remoteAddress: string | null }
  | { readonly clientId: string; readonly remoteAddress: string | null }
  | { readonly hostId: string; readonly remoteAddress: string | null }
  | { readonly remoteAddress: string }
  | null;

export interface NewEvent {
  readonly type: EventType;
  readonly orgId: string;
  readonly projectId?: string | null;
  readonly actor: Actor;
  /** The id of what it was done to. */
  readonly targetId?: string | null;
  /**
   * What else is worth knowing. Never a secret. `publicKey` of an API key and `clusterName` of a
   * cluster, migration or validation are added where the store has the target; a caller that has
   * just removed it gives them.
   */
  readonly detail?: Readonly<Record<string, unknown>>;
}

/** Writes an audit event; in the transaction of the change that it tells of. */
export async function record(tx: Executor, event: NewEvent): Promise<void> {
  const { actor } = event;
  const detail: Record<string, unknown> = { ...(await namesOf(tx, event)), ...event.detail };
  const { clusterName } = detail;
  await tx
    .insertInto('events')
    .values({
      id: newId(),
      event_type: event.type,
      org_id: event.orgId,
      project_id: event.projectId ?? null,
      api_key_id: actor !== null && 'apiKeyId' in actor ? actor.apiKeyId : null,
      public_key: actor !== null && 'publicKey' in actor ? actor.publicKey : null,
      host_id: actor !== null && 'hostId' in actor ? actor.hostId : null,
      remote_address: actor?.remoteAddress ?? null,
      client_id: actor !== null && 'clientId' in actor ? actor.clientId : null,
      target_id: event.targetId ?? null,
      cluster_name: typeof clusterName === 'string' ? clusterName : null,
      detail: JSON.stringify(detail),
      created_at: timestamp(),
    })
    .execute();
}

/** What the target is called in the API. */
async function namesOf(
  tx: Executor,
  { type, targetId }: NewEvent,
): Promise<{ publicKey?: string; clusterName?: string } | undefined> {
  if (targetId === undefined || targetId === null) return undefined;
  switch (EVENT_TYPES[type]) {
    case 'apiKey':
      return tx
        .selectFrom('api_keys')
        .select('public_key as publicKey')
        .where('id', '=', targetId)
        .executeTakeFirst();
    case 'liveMigration':
      return tx
        .selectFrom('live_migrations')
        .innerJoin('clusters', 'clusters.id', 'live_migrations.cluster_id')
        .select('clusters.name as clusterName')
        .where('live_migrations.id', '=', targetId)
        .executeTakeFirst();
    case 'validation':
      return tx
        .selectFrom('validations')
        .innerJoin('clusters', 'clusters.id', 'validations.cluster_id')
        .select('clusters.name as clusterName')
        .where('validations.id', '=', targetId)
        .executeTakeFirst();
    default:
      return undefined;
  }
}

/** Events of an organization, those of its projects among them, or of one project. */
export type EventScope =
  | {
      readonly orgId: string;
      /** The projects whose events may be seen; null: all. */
      readonly projectIds: readonly string[] | null;
    }
  | { readonly projectId: string };

/** All that is given has to match. Times are as the store keeps them and included. */
export interface EventFilter {
  readonly types?: readonly string[];
  readonly excludedTypes?: readonly string[];
  readonly clusterNames?: readonly string[];
  readonly from?: string;
  readonly until?: string;
}

/** The order of events, the newest first, in an index: a page costs what it skips and holds. */
export function pageOf(
  ex: Executor,
  scope: EventScope,
  filter: EventFilter,
  page: { readonly offset: number; readonly limit: number },
): SelectQueryBuilder<Schema, 'events', Selectable<EventRow>> {
  const sequences = matching(ex, scope, filter)
    .select('sequence')
    .orderBy('created_at', 'desc')
    .orderBy('sequence', 'desc')
    .limit(page.limit)
    .offset(page.offset);
  return ex
    .selectFrom('events')
    .selectAll()
    .where('sequence', 'in', sequences)
    .orderBy('created_at', 'desc')
    .orderBy('sequence', 'desc');
}

/** How many there are. */
export function countOf(
  ex: Executor,
  scope: EventScope,
  filter: EventFilter,
): SelectQueryBuilder<Schema, 'events', { total: number }> {
  return matching(ex, scope, filter).select((eb) => eb.fn.countAll<number>().as('total'));
}

export async function find(
  ex: Executor,
  scope: EventScope,
  id: string,
): Promise<Selectable<EventRow> | undefined> {
  return matching(ex, scope, {}).selectAll().where('id', '=', id).executeTakeFirst();
}

function matching(
  ex: Executor,
  scope: EventScope,
  { types, excludedTypes, clusterNames, from, until }: EventFilter,
) {
  let query = ex.selectFrom('events');
  if ('projectId' in scope) {
    query = query.where('project_id', '=', scope.projectId);
  } else {
    const { orgId, projectIds } = scope;
    query = query.where('org_id', '=', orgId);
    if (projectIds !== null) {
      query = query.where((eb) =>
        eb.or([eb('project_id', 'is', null), eb('project_id', 'in', projectIds)]),
      );
    }
  }
  if (from !== undefined) query = query.where('created_at', '>=', from);
  if (until !== undefined) query = query.where('created_at', '<=', until);
  if (types !== undefined) query = query.where('event_type', 'in', types);
  if (excludedTypes !== undefined) query = query.where('event_type', 'not in', excludedTypes);
  if (clusterNames !== undefined) query = query.where('cluster_name', 'in', clusterNames);
  return query;
}

/** Events of an organization, in their order. */
export async function listByOrganization(
  ex: Executor,
  orgId: string,
): Promise<Selectable<EventRow>[]> {
  return ex
    .selectFrom('events')
    .selectAll()
    .where('org_id', '=', orgId)
    .orderBy('sequence')
    .execute();
}
