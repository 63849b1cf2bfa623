import * as events from './store/events.ts';
import { openStore, requireStore, type StoreOptions } from './store/open.ts';
import * as organizations from './store/organizations.ts';

/** There is no such organization in the store. */
export class UnlockError extends Error {
  override readonly name = 'UnlockError';
}

export interface UnlockResult {
  readonly id: string;
  readonly name: string;
  /** False if credentials without an access list were let in before. */
  readonly changed: boolean;
}

/**
 * Lets credentials without an access list into an organization again, in the store, while no server
 * has the embedded one open: the way back for an owner who demanded lists of everybody and has none.
 * @throws {UnlockError} if there is no such organization
 * @throws {StoreUnavailableError} if there is no such store
 * @throws {StoreLockedError} while a server runs on the store
 */
export async function unlockOrganization(
  storeOptions: StoreOptions,
  orgId: string,
): Promise<UnlockResult> {
  requireStore(storeOptions);
  await using store = await openStore(storeOptions);
  return await store.transaction(async (tx) => {
    const row = await organizations.find(tx, orgId);
    if (row === undefined) {
      throw new UnlockError(
        `the store has no organization with the id "${orgId}": look at the id, and at --data-dir or the store that is named`,
      );
    }
    const settings = JSON.parse(row.settings) as Record<string, unknown>;
    const changed = settings['apiAccessListRequired'] === true;
    if (changed) {
      const changes = { apiAccessListRequired: false };
      await organizations.setSettings(tx, orgId, JSON.stringify({ ...settings, ...changes }));
      await events.record(tx, {
        type: 'ORG_SETTINGS_UPDATED',
        orgId,
        actor: null,
        targetId: orgId,
        detail: { changes },
      });
    }
    return { id: row.id, name: row.name, changed };
  });
}
