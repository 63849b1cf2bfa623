import type { Document } from 'mongodb';
import { finding } from '@linkspan/contract/api/findings.ts';
import { formatNamespace } from '@linkspan/contract/push/namespaces.ts';
import type { Check } from './check.ts';

/** Collections that are asked for search indexes; names in one finding. */
const ASKED = 1000;
const NAMED = 10;

/** Hazard 18: users and roles. Counted where the source tells, named of in any case. */
export const checkUsersAndRoles: Check = async ({ source }) => {
  const admin = source.client.db('admin');
  const count = async (command: Document, field: string): Promise<number | null> => {
    const reply = await admin.command(command).catch(() => null);
    return reply === null ? null : (reply[field] as unknown[]).length;
  };
  const users = await count({ usersInfo: { forAllDBs: true } }, 'users');
  const roles = await count({ rolesInfo: 1 }, 'roles');
  const found =
    users === null
      ? 'they cannot be counted by this user.'
      : `${users} users, ${roles ?? 0} roles.`;
  return [finding('USERS_AND_ROLES_STAY', found)];
};

/** Hazard 18: indexes of Atlas Search and Vector Search, which only some servers have. */
export const checkSearchIndexes: Check = async ({ source, listed }) => {
  const found: string[] = [];
  const asked = listed.filter(({ type }) => type === 'collection').slice(0, ASKED);
  for (const { namespace } of asked) {
    let names: unknown[];
    try {
      const indexes = await source.client
        .db(namespace.db)
        .collection(namespace.coll)
        .aggregate([{ $listSearchIndexes: {} }])
        .toArray();
      names = indexes.map(({ name }) => name as unknown);
    } catch {
      // It has none: the stage is not there, or needs a search process that is not configured.
      return [];
    }
    for (const name of names) found.push(`"${String(name)}" of ${formatNamespace(namespace)}`);
  }
  return found.length === 0 ? [] : [finding('SEARCH_INDEXES_STAY', some(found))];
};

/** Hazard 18: query settings, since MongoDB 8.0. */
export const checkQuerySettings: Check = async ({ source }) => {
  const settings = await source.client
    .db('admin')
    .aggregate([{ $querySettings: {} }])
    .toArray()
    .catch(() => []);
  if (settings.length === 0) return [];
  return [finding('QUERY_SETTINGS_STAY', `${settings.length} query shapes have some.`)];
};

/** Collections that belong to a database and not to its data: stored functions, profiles. */
export const checkSystemCollections: Check = async ({ source }) => {
  const found: string[] = [];
  const { databases } = await source.client.db('admin').admin().listDatabases({ nameOnly: true });
  for (const { name: db } of databases) {
    if (['admin', 'config', 'local'].includes(db)) continue;
    const names = await source.client
      .db(db)
      .listCollections({ name: { $in: ['system.js', 'system.profile'] } }, { nameOnly: true })
      .toArray();
    for (const { name } of names) found.push(`${db}.${name}`);
  }
  return found.length === 0 ? [] : [finding('SYSTEM_COLLECTIONS_STAY', some(found))];
};

function some(names: readonly string[]): string {
  const rest = names.length > NAMED ? ` and ${names.length - NAMED} more` : '';
  return `${names.slice(0, NAMED).join(', ')}${rest}.`;
}
