import type { OrganizationLinkState } from '@linkspan/contract/api/linkTokens.ts';

/** A migration host that was not heard of for this long is stale, in milliseconds. */
const HEARTBEAT_FRESH_MS = 90_000;

/** How a link looks from outside, from its row's state and its hosts. */
export function organizationLinkState(
  state: 'PENDING' | 'LINKED' | 'REMOVING',
  hosts: readonly { readonly heartbeatAt: string; readonly hasReported: boolean }[],
  now: Date,
): OrganizationLinkState {
  if (state !== 'LINKED') return state;
  const fresh = hosts.filter(
    (host) => now.getTime() - Date.parse(host.heartbeatAt) <= HEARTBEAT_FRESH_MS,
  );
  if (fresh.length === 0) return 'STALE';
  return hosts.some((host) => host.hasReported) ? 'LINKED' : 'NOT_SYNCED';
}
