import {
  GROUP_ROLES,
  type GroupRole,
  ORG_ROLES,
  type OrgRole,
} from '@linkspan/contract/api/roles.ts';

/** The credential that a caller has proven to hold. */
export type Credential =
  | { readonly kind: 'apiKey'; readonly apiKeyId: string; readonly publicKey: string }
  | { readonly kind: 'serviceAccount'; readonly clientId: string };

/** Who makes a request, and what it may do. */
export interface Principal {
  readonly credential: Credential;
  /** The organization that the credential belongs to. */
  readonly orgId: string;
  readonly orgRoles: ReadonlySet<string>;
  /** Roles by project id. */
  readonly projectRoles: ReadonlyMap<string, ReadonlySet<string>>;
  readonly remoteAddress: string;
}

/** The least role in the organization that an operation asks for; a higher one will do. */
export type OrgRequirement = 'ORG_OWNER' | 'ORG_GROUP_CREATOR' | 'ORG_READ_ONLY' | 'ORG_MEMBER';

/** The same in the project. */
export type GroupRequirement = 'GROUP_OWNER' | 'GROUP_ACCESS_MANAGER' | 'GROUP_READ_ONLY';

export type Requirement = OrgRequirement | GroupRequirement;

/** Roles of the organization that include reading everything in it (documented). */
const ORG_READERS = ['ORG_OWNER', 'ORG_READ_ONLY', 'ORG_STREAM_PROCESSING_ADMIN'] as const;

/** The roles that satisfy a requirement of the organization: each role makes a member. */
const ORG_IMPLIED: Readonly<Record<OrgRequirement, readonly OrgRole[]>> = {
  ORG_OWNER: ['ORG_OWNER'],
  ORG_GROUP_CREATOR: ['ORG_OWNER', 'ORG_GROUP_CREATOR'],
  ORG_READ_ONLY: ORG_READERS,
  ORG_MEMBER: ORG_ROLES,
};

/** An owner of the organization owns its projects; its readers read them, as each role of them does. */
const GROUP_IMPLIED: Readonly<Record<GroupRequirement, readonly (OrgRole | GroupRole)[]>> = {
  GROUP_OWNER: ['ORG_OWNER', 'GROUP_OWNER'],
  GROUP_ACCESS_MANAGER: ['ORG_OWNER', 'GROUP_OWNER', 'GROUP_ACCESS_MANAGER', 'GROUP_USER_ADMIN'],
  GROUP_READ_ONLY: [...ORG_READERS, ...GROUP_ROLES],
};

/** The id of an API key or service account: whose bucket a request is counted in. */
export function credentialId(credential: Credential): string {
  return credential.kind === 'apiKey' ? credential.apiKeyId : credential.clientId;
}

/** True if the credential belongs to the organization. */
export function isMemberOfOrganization(principal: Principal, orgId: string): boolean {
  return principal.orgId === orgId;
}

/** True if the credential can see the project: by a role in it, or by one in its organization. */
export function isMemberOfProject(
  principal: Principal,
  project: { readonly id: string; readonly orgId: string },
): boolean {
  return (
    principal.orgId === project.orgId &&
    (holds(principal.orgRoles, GROUP_IMPLIED.GROUP_READ_ONLY) ||
      (principal.projectRoles.get(project.id)?.size ?? 0) > 0)
  );
}

/**
 * True if the credential's roles are enough.
 * @param projectId the project that a project role is asked for in, or null
 */
export function isAllowed(
  principal: Principal,
  requirement: Requirement,
  projectId: string | null,
): boolean {
  if (isGroupRequirement(requirement)) {
    const implied = GROUP_IMPLIED[requirement];
    if (holds(principal.orgRoles, implied)) return true;
    const own = projectId === null ? undefined : principal.projectRoles.get(projectId);
    return own !== undefined && holds(own, implied);
  }
  return holds(principal.orgRoles, ORG_IMPLIED[requirement]);
}

function isGroupRequirement(requirement: Requirement): requirement is GroupRequirement {
  return requirement in GROUP_IMPLIED;
}

function holds(roles: ReadonlySet<string>, any: readonly string[]): boolean {
  return any.some((role) => roles.has(role));
}
