import type { OrganizationLinkState } from '@linkspan/contract/api/linkTokens.ts';
import { HEARTBEAT_FRESH_MS } from '@linkspan/contract/push/host.ts';

/** How a link looks from outside, from its row's state and its hosts. */
export function organizationLinkState(
  state: 'PENDING' | 'LINKED' | 'SUSPENDED' | 'REMOVING',
  hosts: readonly {
    readonly heartbeatAt: string;
    readonly hasReported: boolean;
    /** The source side has unlinked it. */
    readonly isUnlinked: boolean;
  }[],
  now: Date,
): OrganizationLinkState {
  if (state !== 'LINKED') return state;
  const linked = hosts.filter((host) => !host.isUnlinked);
  if (linked.length === 0) return 'NOT_SYNCED';
  const fresh = linked.filter(
    (host) => now.getTime() - Date.parse(host.heartbeatAt) <= HEARTBEAT_FRESH_MS,
  );
  if (fresh.length === 0) return 'STALE';
  return linked.some((host) => host.hasReported) ? 'LINKED' : 'NOT_SYNCED';
}
