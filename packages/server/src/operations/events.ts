import type { OrganizationEvent, ProjectEvent } from '@linkspan/contract/api/events.ts';
import { apiError } from '@linkspan/contract/serving/apiError.ts';
import type { Selectable } from 'kysely';
import { isAllowed, type Principal } from '../domain/access.ts';
import { longAddress, shownCidr } from '../domain/addresses.ts';
import { EVENT_TYPES, type EventType } from '../domain/eventTypes.ts';
import { apiTime, timestamp } from '../domain/time.ts';
import * as events from '../store/events.ts';
import type { EventRow } from '../store/schema.ts';
import type { OperationContext } from './context.ts';

/** Filters of a list, as the query has them. */
export interface EventQuery {
  readonly eventType?: readonly string[];
  readonly excludedEventType?: readonly string[];
  readonly clusterNames?: readonly string[];
  readonly minDate?: Date;
  readonly maxDate?: Date;
  readonly includeRaw?: boolean;
}

export interface EventPage {
  /** From 1. */
  readonly pageNum: number;
  readonly itemsPerPage: number;
  readonly includeCount: boolean;
}

/** A page, and how many there are: without a count, only whether there are more. */
export interface Listed<T> {
  readonly results: readonly T[];
  readonly total: number;
}

/**
 * Events of an organization and of those of its projects that the caller may read, the newest first.
 * @throws {ApiError} INVALID_DATE_RANGE, INVALID_ENUM_VALUE
 */
export async function listOfOrganization(
  context: OperationContext,
  principal: Principal,
  orgId: string,
  query: EventQuery,
  page: EventPage,
  base: string,
): Promise<Listed<OrganizationEvent>> {
  const { rows, total } = await list(context, scopeOf(principal, orgId), query, page);
  const raw = query.includeRaw === true;
  return { results: rows.map((row) => toEvent(row, `${base}/orgs/${orgId}`, raw)), total };
}

/**
 * Events of a project, the newest first.
 * @throws {ApiError} INVALID_DATE_RANGE, INVALID_ENUM_VALUE, INVALID_QUERY_PARAMETER
 */
export async function listOfProject(
  context: OperationContext,
  groupId: string,
  query: EventQuery,
  page: EventPage,
  base: string,
): Promise<Listed<ProjectEvent>> {
  const { rows, total } = await list(context, { projectId: groupId }, query, page);
  const raw = query.includeRaw === true;
  return { results: rows.map((row) => toProjectEvent(row, groupId, base, raw)), total };
}

export async function getOfOrganization(
  context: OperationContext,
  principal: Principal,
  orgId: string,
  id: string,
  includeRaw: boolean,
  base: string,
): Promise<OrganizationEvent> {
  const row = await events.find(context.store.db, scopeOf(principal, orgId), id);
  if (row === undefined) throw apiError('ORG_EVENT_NOT_FOUND', id, orgId);
  return toEvent(row, `${base}/orgs/${orgId}`, includeRaw);
}

export async function getOfProject(
  context: OperationContext,
  groupId: string,
  id: string,
  includeRaw: boolean,
  base: string,
): Promise<ProjectEvent> {
  const row = await events.find(context.store.db, { projectId: groupId }, id);
  if (row === undefined) throw apiError('EVENT_NOT_FOUND', id, groupId);
  return toProjectEvent(row, groupId, base, includeRaw);
}

/** Whoever reads the whole organization reads its projects, also those that are gone. */
function scopeOf(principal: Principal, orgId: string): events.EventScope {
  const all = isAllowed(principal, 'GROUP_READ_ONLY', null);
  return { orgId, projectIds: all ? null : [...principal.projectRoles.keys()] };
}

async function list(
  { store: { db } }: OperationContext,
  scope: events.EventScope,
  query: EventQuery,
  { pageNum, itemsPerPage, includeCount }: EventPage,
): Promise<{ rows: readonly Selectable<EventRow>[]; total: number }> {
  const filter = filterOf(query);
  const offset = (pageNum - 1) * itemsPerPage;
  // One more tells whether there is a next page.
  const page = { offset, limit: itemsPerPage + 1 };
  const found = await events.pageOf(db, scope, filter, page).execute();
  const total = includeCount
    ? (await events.countOf(db, scope, filter).executeTakeFirstOrThrow()).total
    : offset + found.length;
  return { rows: found.slice(0, itemsPerPage), total };
}

function filterOf(query: EventQuery): events.EventFilter {
  const { eventType, excludedEventType, clusterNames, minDate, maxDate } = query;
  for (const name of [...(eventType ?? []), ...(excludedEventType ?? [])]) {
    if (!EVENT_TYPE_NAME.test(name)) throw apiError('INVALID_ENUM_VALUE', name);
  }
  if (clusterNames?.every((name) => CLUSTER_NAME.test(name)) === false) {
    throw apiError('INVALID_QUERY_PARAMETER', 'clusterNames');
  }
  if (minDate !== undefined && maxDate !== undefined && maxDate < minDate) {
    throw apiError('INVALID_DATE_RANGE', apiTime(timestamp(minDate)), apiTime(timestamp(maxDate)));
  }
  return {
    ...(eventType === undefined ? {} : { types: eventType }),
    ...(excludedEventType === undefined ? {} : { excludedTypes: excludedEventType }),
    ...(clusterNames === undefined ? {} : { clusterNames }),
    ...(minDate === undefined ? {} : { from: timestamp(minDate) }),
    ...(maxDate === undefined ? {} : { until: timestamp(wholeSecond(maxDate)) }),
  };
}

/** A name that may be one of Atlas's: those of things that do not happen here match nothing. */
const EVENT_TYPE_NAME = /^[A-Z][A-Z0-9_]*$/;
/** As specified. */
const CLUSTER_NAME = /^[a-zA-Z0-9][a-zA-Z0-9-]*$/;

/** Events show whole seconds: one that shows `maxDate` itself is included. */
function wholeSecond(time: Date): Date {
  return time.getTime() % 1000 === 0 ? new Date(time.getTime() + 999) : time;
}

function toProjectEvent(
  row: Selectable<EventRow>,
  groupId: string,
  base: string,
  includeRaw: boolean,
): ProjectEvent {
  return {
    ...toEvent(row, `${base}/groups/${groupId}`, includeRaw),
    ...(row.cluster_name === null ? {} : { clusterName: row.cluster_name }),
  };
}

function toEvent(row: Selectable<EventRow>, owner: string, includeRaw: boolean): OrganizationEvent {
  const detail = JSON.parse(row.detail) as Record<string, unknown>;
  // Atlas has no field for a service account: its client ID is what it signs in with, as the key is.
  const publicKey = row.public_key ?? row.client_id;
  return {
    ...(row.api_key_id === null ? {} : { apiKeyId: row.api_key_id }),
    created: apiTime(row.created_at),
    eventTypeName: row.event_type,
    ...(row.project_id === null ? {} : { groupId: row.project_id }),
    id: row.id,
    isGlobalAdmin: false,
    links: [{ href: `${owner}/events/${row.id}`, rel: 'self' }],
    orgId: row.org_id,
    ...(publicKey === null ? {} : { publicKey }),
    ...(row.remote_address === null ? {} : { remoteAddress: longAddress(row.remote_address) }),
    ...targetOf(row, detail),
    ...(includeRaw ? { raw: rawOf(row, detail) } : {}),
  };
}

function targetOf(
  { event_type, target_id }: Selectable<EventRow>,
  { publicKey, cidr }: Record<string, unknown>,
): Pick<OrganizationEvent, 'resourceId' | 'resourceType' | 'targetPublicKey' | 'whitelistEntry'> {
  if (target_id === null) return {};
  const kind = EVENT_TYPES[event_type as EventType];
  return {
    ...(kind === 'apiKey' && typeof publicKey === 'string'
      ? { targetPublicKey: publicKey }
      : { resourceId: target_id, resourceType: kind }),
    ...(typeof cidr === 'string' ? { whitelistEntry: shownCidr(cidr) } : {}),
  };
}

/** What Atlas's fields have no place for. */
function rawOf(
  row: Selectable<EventRow>,
  detail: Record<string, unknown>,
): Record<string, unknown> {
  return {
    clientId: row.client_id,
    created: row.created_at,
    detail,
    migrationHostId: row.host_id,
    targetId: row.target_id,
    targetType: EVENT_TYPES[row.event_type as EventType],
  };
}
