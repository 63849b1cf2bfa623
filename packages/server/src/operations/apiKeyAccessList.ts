import type { AccessListEntry, AddAccessListEntries } from '@linkspan/contract/api/apiKeys.ts';
import type { Principal } from '../domain/access.ts';
import {
  addressList,
  longAddress,
  normaliseCidr,
  shownCidr,
  singleAddress,
} from '../domain/addresses.ts';
import { apiError } from '@linkspan/contract/serving/apiError.ts';
import { apiTime, timestamp } from '../domain/time.ts';
import * as apiKeys from '../store/apiKeys.ts';
import * as events from '../store/events.ts';
import type { Executor } from '../store/executor.ts';
import { checkRoom, requestedCidrs } from './accessListEntries.ts';
import { load, loadChangeable } from './apiKeys.ts';
import { actorOf, type OperationContext } from './context.ts';

export async function list(
  context: OperationContext,
  orgId: string,
  id: string,
  base: string,
): Promise<AccessListEntry[]> {
  await load(context.store.db, orgId, id);
  const rows = await apiKeys.accessList(context.store.db, id);
  return rows.map((row) => toEntry(row, orgId, base));
}

export async function get(
  context: OperationContext,
  orgId: string,
  id: string,
  address: string,
  base: string,
): Promise<AccessListEntry> {
  const cidr = normaliseCidr(address);
  const entries = await list(context, orgId, id, base);
  const entry = entries.find((candidate) => normaliseCidr(candidate.cidrBlock) === cidr);
  if (entry === undefined) throw apiError('API_KEY_WHITELIST_NOT_FOUND', address, id);
  return entry;
}

/**
 * Adds entries: all of them or none.
 * @throws {ApiError} ADDRESS_ALREADY_IN_WHITELIST if one is there already; a client of Atlas is known
 * to expect it
 */
export async function add(
  context: OperationContext,
  principal: Principal,
  orgId: string,
  id: string,
  body: AddAccessListEntries,
  base: string,
): Promise<AccessListEntry[]> {
  const cidrs = requestedCidrs(body);
  const now = timestamp();
  await context.store.transaction(async (tx) => {
    await loadChangeable(tx, orgId, id);
    const there = new Set((await apiKeys.accessList(tx, id)).map((row) => row.cidr));
    checkRoom(id, there.size + cidrs.length);
    for (const cidr of cidrs) {
      if (there.has(cidr)) throw apiError('ADDRESS_ALREADY_IN_WHITELIST', cidr);
      await apiKeys.addAccessListEntry(tx, { api_key_id: id, cidr, created_at: now });
      await events.record(tx, {
        type: 'API_KEY_ACCESS_LIST_ENTRY_ADDED',
        orgId,
        actor: actorOf(principal),
        targetId: id,
        detail: { cidr },
      });
    }
  });
  return list(context, orgId, id, base);
}

/** @throws {ApiError} CANNOT_REMOVE_CALLER_FROM_WHITELIST for the entry that admits the caller */
export async function remove(
  context: OperationContext,
  principal: Principal,
  orgId: string,
  id: string,
  address: string,
): Promise<void> {
  const cidr = normaliseCidr(address);
  await context.store.transaction(async (tx) => {
    await loadChangeable(tx, orgId, id);
    if (cidr === null || !(await apiKeys.removeAccessListEntry(tx, id, cidr))) {
      throw apiError('API_KEY_WHITELIST_NOT_FOUND', address, id);
    }
    await keepCaller(tx, principal, id, cidr);
    await events.record(tx, {
      type: 'API_KEY_ACCESS_LIST_ENTRY_DELETED',
      orgId,
      actor: actorOf(principal),
      targetId: id,
      detail: { cidr },
    });
  });
}

/**
 * A key that took its own address off its list could not put it back. The last entry stays too: a
 * list that is empty would open the key to every address. Another key of the organization may.
 */
async function keepCaller(
  tx: Executor,
  { credential, remoteAddress }: Principal,
  id: string,
  removed: string,
): Promise<void> {
  if (credential.kind !== 'apiKey' || credential.apiKeyId !== id) return;
  const left = (await apiKeys.accessList(tx, id)).map((row) => row.cidr);
  const admits = (cidrs: readonly string[]): boolean => addressList(cidrs).contains(remoteAddress);
  if (admits([removed]) && !admits(left)) {
    throw apiError('CANNOT_REMOVE_CALLER_FROM_WHITELIST', remoteAddress);
  }
}

function toEntry(row: apiKeys.UsedEntry, orgId: string, base: string): AccessListEntry {
  const address = singleAddress(row.cidr);
  const name = encodeURIComponent(address ?? row.cidr);
  return {
    cidrBlock: shownCidr(row.cidr),
    count: row.request_count,
    created: apiTime(row.created_at),
    ...(address === null ? {} : { ipAddress: longAddress(address) }),
    ...(row.last_used_at === null ? {} : { lastUsed: apiTime(row.last_used_at) }),
    ...(row.last_used_address === null ? {} : { lastUsedAddress: row.last_used_address }),
    links: [
      { href: `${base}/orgs/${orgId}/apiKeys/${row.api_key_id}/accessList/${name}`, rel: 'self' },
    ],
  };
}
