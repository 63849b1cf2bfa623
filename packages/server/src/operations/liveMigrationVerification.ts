import type { Verification } from '@linkspan/contract/push/verification.ts';
import { apiError } from '@linkspan/contract/serving/apiError.ts';
import type { Principal } from '../domain/access.ts';
import * as liveMigrations from '../store/liveMigrations.ts';
import * as migrationEvents from '../store/migrationEvents.ts';
import * as migrationVerifications from '../store/migrationVerifications.ts';
import { actorOf, type OperationContext } from './context.ts';
import { load } from './liveMigrations.ts';

const NOTHING: Verification = {
  begun: null,
  ended: null,
  complete: false,
  repair: null,
  collectionsTotal: 0,
  collectionsVerified: 0,
  documentsTotal: 0,
  documentsVerified: 0,
  keysVerified: 0,
  keysPending: 0,
  differencesFound: 0,
  differencesRepaired: 0,
  historyLosses: 0,
  collections: [],
};

/** What the migration host last reported; it stays when the migration has ended. */
export async function verification(
  context: OperationContext,
  groupId: string,
  id: string,
): Promise<Verification> {
  const { verification: json } = await load(context.store.db, groupId, id);
  return json === null ? NOTHING : (JSON.parse(json) as Verification);
}

/**
 * Compares everything again from the start, while the migration goes on; what differs is pushed. A repair
 * does the same for a loss that is known or feared: until it is done no cutover is offered.
 * @throws {ApiError} 409 if it has ended, is paused or is being cut over
 */
export async function compareAgain(
  context: OperationContext,
  principal: Principal,
  groupId: string,
  id: string,
  what: 'verify' | 'repair',
): Promise<void> {
  const { store, work } = context;
  const row = await store.transaction(async (tx) => {
    const found = await load(tx, groupId, id);
    if (!liveMigrations.ACTIVE.includes(found.status)) {
      throw apiError('LIVE_MIGRATION_NOT_ACTIVE', id, found.status);
    }
    const attempt = await migrationVerifications.request(tx, id, `${what}_attempt`);
    if (attempt === null) {
      const state = found.paused_at === null ? 'being cut over' : 'paused';
      throw apiError('LIVE_MIGRATION_NOT_VERIFIABLE', id, state);
    }
    const type =
      what === 'verify'
        ? 'LIVE_MIGRATION_VERIFICATION_REQUESTED'
        : 'LIVE_MIGRATION_REPAIR_REQUESTED';
    await migrationEvents.record(tx, found, type, actorOf(principal), { attempt });
    return found;
  });
  if (row.link_id !== null) work.changed(row.link_id);
}
