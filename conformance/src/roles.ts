import type { Operation } from './contract.ts';

/** The columns of the table: who makes a call. */
export const ROLES = [
  'Org Owner',
  'Org Member',
  'Org Read Only',
  'Org Project Creator',
  'Project Owner',
  'Project Read Only',
  'Project Access Manager',
  'Another organization',
  'None',
] as const;
export type Role = (typeof ROLES)[number];

/** The ways to prove who calls. */
export const WAYS = ['digest', 'bearer'] as const;
export type Way = (typeof WAYS)[number];

/** The role's name on the wire, in the organization and in the project. */
export const GRANTS: Readonly<Record<Exclude<Role, 'None'>, { org: string; project?: string }>> = {
  'Org Owner': { org: 'ORG_OWNER' },
  'Org Member': { org: 'ORG_MEMBER' },
  'Org Read Only': { org: 'ORG_READ_ONLY' },
  'Org Project Creator': { org: 'ORG_GROUP_CREATOR' },
  // A credential that is made for a project is a member of its organization, as recorded.
  'Project Owner': { org: 'ORG_MEMBER', project: 'GROUP_OWNER' },
  'Project Read Only': { org: 'ORG_MEMBER', project: 'GROUP_READ_ONLY' },
  'Project Access Manager': { org: 'ORG_MEMBER', project: 'GROUP_ACCESS_MANAGER' },
  'Another organization': { org: 'ORG_OWNER' },
};

/**
 * Roles that no operation of the contract gives to a service account: only API keys can be assigned
 * to a project. A service account owns the projects that it has created.
 */
const KEYS_ONLY: ReadonlySet<Role> = new Set(['Project Read Only', 'Project Access Manager']);

/** Each role in each way that it can be had. */
export function waysOf(role: Role): readonly Way[] {
  if (role === 'None' || KEYS_ONLY.has(role)) return ['digest'];
  return WAYS;
}

/** What an operation must answer a role: null is success, else the refusal. */
export interface Refusal {
  readonly status: number;
  readonly code: string;
}

const UNAUTHORIZED: Refusal = { status: 401, code: 'USER_UNAUTHORIZED' };
const NO_CREDENTIALS: Refusal = { status: 401, code: 'UNEXPECTED_ERROR' };
const NOT_IN_ORGANIZATION: Refusal = { status: 401, code: 'USER_CANNOT_ACCESS_ORG' };
const NOT_IN_PROJECT: Refusal = { status: 401, code: 'USER_CANNOT_ACCESS_GROUP' };

/**
 * Which roles satisfy a requirement. An organization's owner owns its projects and its reader reads
 * them; every role in an organization is at least that of a member, and every role in a project at
 * least that of a reader (documented).
 */
const SATISFIED_BY: Readonly<Record<string, readonly Role[]>> = {
  'Organization Owner': ['Org Owner'],
  'Organization Read Only': ['Org Owner', 'Org Read Only'],
  'Organization Member': [
    'Org Owner',
    'Org Member',
    'Org Read Only',
    'Org Project Creator',
    'Project Owner',
    'Project Read Only',
    'Project Access Manager',
  ],
  'Project Owner': ['Org Owner', 'Project Owner'],
  'Project Access Manager': ['Org Owner', 'Project Owner', 'Project Access Manager'],
  'Project Read Only': [
    'Org Owner',
    'Org Read Only',
    'Project Owner',
    'Project Read Only',
    'Project Access Manager',
  ],
  // Wording of earlier documentation, for what later became the owner's.
  'Read Write': ['Org Owner'],
  'Read Write (by analogy)': ['Org Owner'],
};

type Rule = (role: Role) => Refusal | null;

/** Operations that belong to no organization or project of their path. */
const OWN_RULES: Readonly<Record<string, Rule>> = {
  getSystemStatus: () => null,
  // Everyone sees what is theirs.
  listOrgs: () => null,
  listGroups: () => null,
  createOrg: (role) =>
    role === 'Org Owner' || role === 'Another organization' ? null : UNAUTHORIZED,
  createGroup: (role) => {
    if (role === 'Another organization') return NOT_IN_ORGANIZATION;
    if (role === 'Org Owner' || role === 'Org Project Creator') return null;
    return { status: 401, code: 'NOT_ORG_GROUP_CREATOR' };
  },
  // A project that the caller cannot see does not exist for it.
  getGroupByName: (role) =>
    SATISFIED_BY['Project Read Only']?.includes(role) === true
      ? null
      : { status: 404, code: 'GROUP_NAME_NOT_FOUND' },
};

/** @throws {Error} for a requirement that nothing is known of */
export function refusalOf(operation: Operation, role: Role): Refusal | null {
  if (role === 'None') return NO_CREDENTIALS;
  const own = OWN_RULES[operation.operationId];
  if (own !== undefined) return own(role);
  const isOfProject = operation.path.includes('{groupId}');
  if (role === 'Another organization') return isOfProject ? NOT_IN_PROJECT : NOT_IN_ORGANIZATION;
  for (const requirement of operation.roles) {
    const satisfying = SATISFIED_BY[requirement];
    if (satisfying === undefined) throw new Error(`nothing is known of the role ${requirement}`);
    if (satisfying.includes(role)) return null;
  }
  const asksForProjectRole = operation.roles.every((name) => name.startsWith('Project '));
  const isOutside = role === 'Org Member' || role === 'Org Project Creator';
  return isOfProject && asksForProjectRole && isOutside ? NOT_IN_PROJECT : UNAUTHORIZED;
}
