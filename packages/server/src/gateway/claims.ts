import * as liveMigrations from '../store/liveMigrations.ts';
import * as pushSessions from '../store/pushSessions.ts';
import { matches, type HostPrincipal } from './authenticate.ts';
import type { GatewayContext } from './context.ts';
import { PAUSED, PushError } from './errors.ts';
import { MIGRATION_ENDED } from './leases.ts';
import { FENCED, type PushSession } from './session.ts';
import { SUB_LEASE_OVER, type SharedRange, type SubLease } from './subLease.ts';

/** A session that a host has shown the secret of, whether this process holds it or not. */
export interface SessionClaim {
  readonly sessionId: string;
  readonly migrationId: string;
  readonly epoch: number;
}

/**
 * Checks the session header of a request.
 * @param path the session's id in the path
 * @param header `<sessionId>.<sessionSecret>`
 * @throws {PushError} SESSION_UNKNOWN
 */
export async function claimSession(
  { store }: GatewayContext,
  { host }: HostPrincipal,
  path: string,
  header: unknown,
): Promise<SessionClaim> {
  const [sessionId = '', secret = ''] = (typeof header === 'string' ? header : '').split('.');
  const row = await pushSessions.find(store.db, sessionId);
  const known = matches(secret, row?.secret_hash) && row !== undefined && sessionId === path;
  const migration = known
    ? await liveMigrations.findOfHost(store.db, host.id, row.migration_id)
    : undefined;
  if (!known || migration === undefined) throw unknown();
  return { sessionId, migrationId: migration.id, epoch: row.epoch };
}

/**
 * The session to write through.
 * @throws {PushError} that says why there is none: ended, fenced, or unknown to this process
 */
export async function heldSession(
  { store, sessions }: GatewayContext,
  claim: SessionClaim,
): Promise<PushSession> {
  const session = sessions.get(claim.sessionId);
  if (session !== undefined) {
    session.check();
    return session;
  }
  const migration = await liveMigrations.find(store.db, claim.migrationId);
  if (migration === undefined || !liveMigrations.ACTIVE.includes(migration.status)) {
    throw MIGRATION_ENDED;
  }
  if (migration.paused_at !== null) throw PAUSED;
  // Only a newer one tells whether the runner that asks was replaced or only lost its session.
  if (migration.epoch !== claim.epoch) {
    throw FENCED;
  }
  throw unknown();
}

/** A sub-lease that a host has shown the secret of, and the session that it is of. */
export interface SubLeaseClaim {
  readonly session: PushSession;
  readonly range: SharedRange;
  readonly lease: SubLease;
}

/**
 * The push session of another host of the same link.
 * @throws {PushError} SESSION_UNKNOWN, or why the session refuses
 */
export function sessionOfOther(
  { sessions }: GatewayContext,
  { host, link }: HostPrincipal,
  id: string,
): PushSession {
  const session = sessions.get(id);
  if (session === undefined || session.identity.linkId !== link.id) throw unknown();
  if (session.identity.hostId === host.id) throw unknown();
  session.check();
  return session;
}

/**
 * Checks the session header of a host that copies a range.
 * @param path the session's id in the path
 * @param header `<id>.<secret>` of the sub-lease
 * @throws {PushError} SESSION_UNKNOWN, SUB_LEASE_ENDED, or why the session refuses
 */
export function claimSubLease(
  context: GatewayContext,
  principal: HostPrincipal,
  path: string,
  header: unknown,
): SubLeaseClaim {
  const session = sessionOfOther(context, principal, path);
  const [id = '', secret = ''] = (typeof header === 'string' ? header : '').split('.');
  const range = session.ranges.find(id);
  const lease = range?.lease ?? undefined;
  const isShown = matches(secret, lease?.secretHash);
  if (!isShown || range === undefined || lease?.hostId !== principal.host.id) {
    throw SUB_LEASE_OVER;
  }
  lease.check();
  return { session, range, lease };
}

function unknown(): PushError {
  return new PushError(
    'SESSION_UNKNOWN',
    'The server does not hold that push session: open a new one.',
  );
}
