import type { GroupRole, OrgRole } from '@linkspan/contract/api/roles.ts';

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

/** The least role that an operation asks for; a higher one will do. */
export type Requirement = OrgRole | GroupRole;

/** The roles that satisfy a requirement of the organization. */
const ORG_IMPLIED: Readonly<Record<OrgRole, readonly OrgRole[]>> = {
  ORG_OWNER: ['ORG_OWNER'],
  ORG_GROUP_CREATOR: ['ORG_OWNER', 'ORG_GROUP_CREATOR'],
  ORG_MEMBER: ['ORG_OWNER', 'ORG_GROUP_CREATOR', 'ORG_MEMBER', 'ORG_READ_ONLY'],
  ORG_READ_ONLY: ['ORG_OWNER', 'ORG_READ_ONLY'],
};

/** An owner of the organization owns its projects; its reader reads them. */
const GROUP_IMPLIED: Readonly<Record<GroupRole, readonly string[]>> = {
  GROUP_OWNER: ['ORG_OWNER', 'GROUP_OWNER'],
  GROUP_READ_ONLY: ['ORG_OWNER', 'ORG_READ_ONLY', 'GROUP_OWNER', 'GROUP_READ_ONLY'],
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
  if (requirement === 'GROUP_OWNER' || requirement === 'GROUP_READ_ONLY') {
    const implied = GROUP_IMPLIED[requirement];
    if (holds(principal.orgRoles, implied)) return true;
    const own = projectId === null ? undefined : principal.projectRoles.get(projectId);
    return own !== undefined && holds(own, implied);
  }
  return holds(principal.orgRoles, ORG_IMPLIED[requirement]);
}

function holds(roles: ReadonlySet<string>, any: readonly string[]): boolean {
  return any.some((role) => roles.has(role));
}
