import * as liveMigrations from '../store/liveMigrations.ts';
import * as pushSessions from '../store/pushSessions.ts';
import { matches, type HostPrincipal } from './authenticate.ts';
import type { GatewayContext } from './context.ts';
import { PAUSED, PushError } from './errors.ts';
import { MIGRATION_ENDED } from './leases.ts';
import { FENCED, type PushSession } from './session.ts';

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

function unknown(): PushError {
  return new PushError(
    'SESSION_UNKNOWN',
    'The server does not hold that push session: open a new one.',
  );
}
