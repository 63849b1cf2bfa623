import type { Store } from '../store/store.ts';
import * as apiKeys from '../store/apiKeys.ts';
import * as organizations from '../store/organizations.ts';
import * as projects from '../store/projects.ts';
import { isAccessListRequired } from './organizationSettings.ts';

/** An API key as authentication needs it. */
export interface KeyRecord {
  readonly apiKeyId: string;
  readonly orgId: string;
  /** HA1 of Digest, in hex. */
  readonly ha1: string;
  readonly orgRoles: ReadonlySet<string>;
  readonly projectRoles: ReadonlyMap<string, ReadonlySet<string>>;
  /** Empty: any address. */
  readonly accessList: readonly string[];
  /** Whether the organization demands a list of every credential. */
  readonly accessListRequired: boolean;
}

/**
 * What checks before an operation look up, on every request: no credential is valid from memory
 * (rule C6).
 */
export interface Directory {
  /** null if there is no such key, or if it is the key of a link, which opens nothing here (C5). */
  findKey(publicKey: string): Promise<KeyRecord | null>;
  organizationExists(orgId: string): Promise<boolean>;
  /** The organization of a project, or null if there is no such project. */
  organizationOf(projectId: string): Promise<string | null>;
}

export function createDirectory(store: Store): Directory {
  return {
    findKey: async (publicKey) => {
      const key = await apiKeys.findByPublicKey(store.db, publicKey);
      if (key === undefined || key.link_id !== null) return null;
      const roles = await apiKeys.roles(store.db, key.id);
      const entries = await apiKeys.accessList(store.db, key.id);
      const organization = await organizations.find(store.db, key.org_id);
      const inProjects = Map.groupBy(
        roles.filter((role) => role.project_id !== null),
        (role) => role.project_id ?? '',
      );
      return {
        apiKeyId: key.id,
        orgId: key.org_id,
        ha1: apiKeys.openHa1(store.sealer, key),
        orgRoles: new Set(roles.filter((role) => role.org_id !== null).map((role) => role.role)),
        projectRoles: new Map(
          [...inProjects].map(([id, list]) => [id, new Set(list.map((role) => role.role))]),
        ),
        accessList: entries.map((entry) => entry.cidr),
        accessListRequired: isAccessListRequired(organization),
      };
    },
    organizationExists: async (orgId) => (await organizations.find(store.db, orgId)) !== undefined,
    organizationOf: async (projectId) => (await projects.find(store.db, projectId))?.org_id ?? null,
  };
}
