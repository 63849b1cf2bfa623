import type {
  AddServiceAccountAccessListEntries,
  ServiceAccountAccessListEntry,
} from '@linkspan/contract/api/serviceAccounts.ts';
import { apiError } from '@linkspan/contract/serving/apiError.ts';
import type { Principal } from '../domain/access.ts';
import { longAddress, normaliseCidr, shownCidr, singleAddress } from '../domain/addresses.ts';
import { apiTime, timestamp } from '../domain/time.ts';
import * as events from '../store/events.ts';
import * as accessList from '../store/serviceAccountAccessList.ts';
import { checkRoom, requestedCidrs } from './accessListEntries.ts';
import { actorOf, type OperationContext } from './context.ts';
import { load } from './serviceAccounts.ts';

export async function list(
  context: OperationContext,
  orgId: string,
  clientId: string,
): Promise<ServiceAccountAccessListEntry[]> {
  const { db } = context.store;
  await load(db, orgId, clientId);
  return (await accessList.list(db, clientId)).map(toEntry);
}

/** Adds entries; those that are there already stay. */
export async function add(
  context: OperationContext,
  principal: Principal,
  orgId: string,
  clientId: string,
  body: AddServiceAccountAccessListEntries,
): Promise<ServiceAccountAccessListEntry[]> {
  const cidrs = requestedCidrs(body);
  const now = timestamp();
  await context.store.transaction(async (tx) => {
    await load(tx, orgId, clientId);
    const there = new Set((await accessList.list(tx, clientId)).map((row) => row.cidr));
    checkRoom(clientId, new Set([...there, ...cidrs]).size);
    for (const cidr of cidrs) {
      const entry = { client_id: clientId, cidr, created_at: now };
      if (!(await accessList.add(tx, entry))) continue;
      await events.record(tx, {
        type: 'SERVICE_ACCOUNT_ACCESS_LIST_ENTRY_ADDED',
        orgId,
        actor: actorOf(principal),
        targetId: clientId,
        detail: { cidr },
      });
    }
  });
  return list(context, orgId, clientId);
}

export async function remove(
  context: OperationContext,
  principal: Principal,
  orgId: string,
  clientId: string,
  address: string,
): Promise<void> {
  const cidr = normaliseCidr(address);
  await context.store.transaction(async (tx) => {
    await load(tx, orgId, clientId);
    if (cidr === null || !(await accessList.remove(tx, clientId, cidr))) {
      throw apiError('SERVICE_ACCOUNT_ACCESS_LIST_ENTRY_NOT_FOUND', address, clientId);
    }
    await events.record(tx, {
      type: 'SERVICE_ACCOUNT_ACCESS_LIST_ENTRY_DELETED',
      orgId,
      actor: actorOf(principal),
      targetId: clientId,
      detail: { cidr },
    });
  });
}

function toEntry(row: accessList.UsedEntry): ServiceAccountAccessListEntry {
  const address = singleAddress(row.cidr);
  return {
    cidrBlock: shownCidr(row.cidr),
    createdAt: apiTime(row.created_at),
    ...(address === null ? {} : { ipAddress: longAddress(address) }),
    ...(row.last_used_address === null ? {} : { lastUsedAddress: row.last_used_address }),
    ...(row.last_used_at === null ? {} : { lastUsedAt: apiTime(row.last_used_at) }),
    requestCount: row.request_count,
  };
}
