import {
  formatNamespace,
  isMigratable,
  type Namespace,
} from '@linkspan/contract/push/namespaces.ts';

import { listEntries } from './catalog.ts';
import type { Destination } from './destination.ts';
import { DestinationRefusedError } from './errors.ts';

const NAMESPACE_NOT_FOUND = 26;

/** The collections and views of users, views first. */
export async function listUserData(
  destination: Destination,
): Promise<(Namespace & { readonly type: string })[]> {
  const found: (Namespace & { readonly type: string })[] = [];
  for (const db of await listUserDatabases(destination)) {
    for (const { name, type } of await listEntries(destination, db)) {
      found.push({ db, coll: name, type });
    }
  }
  return found.toSorted((a, b) => Number(b.type === 'view') - Number(a.type === 'view'));
}

/**
 * Drops every collection and view of users, one by one: never a whole database, which would take
 * along what is created there meanwhile (rule D11). Repeating it goes on where it ended.
 */
export async function dropUserData(destination: Destination): Promise<void> {
  for (const namespace of await listUserData(destination)) {
    const doing = `drop ${formatNamespace(namespace)}`;
    try {
      await destination.write(namespace.db, doing, { drop: namespace.coll });
    } catch (error) {
      const gone = error instanceof DestinationRefusedError && error.code === NAMESPACE_NOT_FOUND;
      if (!gone) throw error;
    }
  }
}

async function listUserDatabases(destination: Destination): Promise<string[]> {
  const names = await destination.listDatabases();
  return names.filter((db) => isMigratable({ db, coll: '' }));
}
