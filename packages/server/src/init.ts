import { isName } from '@linkspan/contract/api/common.ts';
import { ConfigurationError } from '@linkspan/contract/options/declare.ts';
import { newId } from './domain/ids.ts';
import { timestamp } from './domain/time.ts';
import { insertKey } from './operations/keys.ts';
import * as apiKeys from './store/apiKeys.ts';
import * as events from './store/events.ts';
import { openStore, type StoreOptions } from './store/open.ts';
import * as organizations from './store/organizations.ts';

/** The store has that organization already. */
export class InitError extends Error {
  override readonly name = 'InitError';
}

export interface InitResult {
  readonly organization: { readonly id: string; readonly name: string };
  /** Of an Org Owner key. The private key is in no other place: show it once. */
  readonly apiKey: {
    readonly id: string;
    readonly publicKey: string;
    readonly privateKey: string;
  };
}

/**
 * Makes an organization and its first Org Owner API key in the store, while no server has the embedded
 * one open.
 * @throws {ConfigurationError} if the name is not allowed
 * @throws {InitError} if there is an organization of that name
 * @throws {StoreLockedError} while a server runs on the store
 */
export async function initOrganization(
  storeOptions: StoreOptions,
  name: string,
): Promise<InitResult> {
  if (!isName(name)) {
    throw new ConfigurationError([
      `"${name}" cannot be an organization's name: use 1 to 64 letters, digits, spaces or -_.(),:&@+'`,
    ]);
  }
  await using store = await openStore(storeOptions);
  return await store.transaction(async (tx) => {
    const known = await organizations.list(tx);
    if (known.some((organization) => organization.name === name)) {
      throw new InitError(
        `the store has an organization "${name}" already, and its key was shown when it was made: give another name to make another organization`,
      );
    }
    const id = newId();
    await organizations.insert(tx, {
      id,
      name,
      created_at: timestamp(),
      settings: '{}',
      kept: '{}',
    });
    const key = await insertKey(tx, store.sealer, {
      orgId: id,
      description: 'First key, made by linkspan init',
      linkId: null,
    });
    await apiKeys.setOrganizationRoles(tx, key.row.id, id, ['ORG_OWNER']);
    await events.record(tx, { type: 'ORG_CREATED', orgId: id, actor: null, targetId: id });
    await events.record(tx, {
      type: 'API_KEY_CREATED',
      orgId: id,
      actor: null,
      targetId: key.row.id,
      detail: { publicKey: key.row.public_key },
    });
    return {
      organization: { id, name },
      apiKey: { id: key.row.id, publicKey: key.row.public_key, privateKey: key.privateKey },
    };
  });
}
