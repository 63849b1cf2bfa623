import { timestamp } from '../domain/time.ts';
import * as accessTokens from '../store/accessTokens.ts';
import * as apiKeys from '../store/apiKeys.ts';
import type { Executor } from '../store/executor.ts';
import * as organizations from '../store/organizations.ts';
import * as projects from '../store/projects.ts';
import type { ApiKeyRow } from '../store/schema.ts';
import * as serviceAccountAccessList from '../store/serviceAccountAccessList.ts';
import * as serviceAccounts from '../store/serviceAccounts.ts';
import type { Store } from '../store/store.ts';
import { isAccessListRequired } from './organizationSettings.ts';

/** What a credential may do, and from where. */
export interface CredentialRecord {
  readonly orgId: string;
  readonly orgRoles: ReadonlySet<string>;
  readonly projectRoles: ReadonlyMap<string, ReadonlySet<string>>;
  /** Empty: any address. */
  readonly accessList: readonly string[];
  /** Whether the organization demands a list of every credential. */
  readonly accessListRequired: boolean;
}

/** An API key as Digest needs it. */
export interface KeyRecord {
  readonly apiKeyId: string;
  readonly orgId: string;
  /** HA1 of Digest, in hex. */
  readonly ha1: string;
}

/** A service account as authentication needs it. */
export interface AccountRecord extends CredentialRecord {
  readonly clientId: string;
  /** Whether the access token that was asked for is one of its live ones. */
  readonly tokenIsLive: boolean;
}

/**
 * What checks before an operation look up, on every request: no credential is valid from memory
 * (rule C6).
 */
export interface Directory {
  /** null if there is no such key, or if it is the key of a link, which opens nothing here (C5). */
  findKey(publicKey: string): Promise<KeyRecord | null>;
  /** The same for what the key may do. */
  findKeyRights(publicKey: string): Promise<CredentialRecord | null>;
  /** null if there is no such service account. */
  findAccount(clientId: string, tokenId: string): Promise<AccountRecord | null>;
  organizationExists(orgId: string): Promise<boolean>;
  /** The organization of a project, or null if there is no such project. */
  organizationOf(projectId: string): Promise<string | null>;
}

/** @param now milliseconds since 1970 */
export function createDirectory(store: Store, now: () => number = Date.now): Directory {
  return {
    findKey: async (publicKey) => {
      const key = await ordinaryKey(store.db, publicKey);
      if (key === null) return null;
      return { apiKeyId: key.id, orgId: key.org_id, ha1: apiKeys.openHa1(store.sealer, key) };
    },
    findKeyRights: async (publicKey) => {
      const { db } = store;
      const key = await ordinaryKey(db, publicKey);
      if (key === null) return null;
      const entries = await apiKeys.accessList(db, key.id);
      return toRecord(db, key.org_id, await apiKeys.roles(db, key.id), entries);
    },
    findAccount: async (clientId, tokenId) => {
      const { db } = store;
      const account = await serviceAccounts.find(db, clientId);
      if (account === undefined) return null;
      const token = await accessTokens.findLive(db, tokenId, timestamp(new Date(now())));
      const entries = await serviceAccountAccessList.list(db, clientId);
      const roles = await serviceAccounts.roles(db, clientId);
      const record = await toRecord(db, account.org_id, roles, entries);
      return { ...record, clientId, tokenIsLive: token?.client_id === clientId };
    },
    organizationExists: async (orgId) => (await organizations.find(store.db, orgId)) !== undefined,
    organizationOf: async (projectId) => (await projects.find(store.db, projectId))?.org_id ?? null,
  };
}

/** A key that opens something here: not that of a link. */
async function ordinaryKey(db: Executor, publicKey: string): Promise<ApiKeyRow | null> {
  const key = await apiKeys.findByPublicKey(db, publicKey);
  return key === undefined || key.link_id !== null ? null : key;
}

async function toRecord(
  db: Executor,
  orgId: string,
  roles: readonly apiKeys.RoleAssignment[],
  entries: readonly { readonly cidr: string }[],
): Promise<CredentialRecord> {
  const inProjects = Map.groupBy(
    roles.filter((role) => role.project_id !== null),
    (role) => role.project_id ?? '',
  );
  return {
    orgId,
    orgRoles: new Set(roles.filter((role) => role.org_id !== null).map((role) => role.role)),
    projectRoles: new Map(
      [...inProjects].map(([id, list]) => [id, new Set(list.map((role) => role.role))]),
    ),
    accessList: entries.map((entry) => entry.cidr),
    accessListRequired: isAccessListRequired(await organizations.find(db, orgId)),
  };
}
