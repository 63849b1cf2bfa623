import {
  type CreateLiveMigration20230101,
  type CreateLiveMigration20240530,
  type CreateLiveMigrationOwn,
  type ValidateLiveMigrationOwn,
  EMPTY_MEANS_ABSENT,
} from '@linkspan/contract/api/liveMigrations.ts';
import type { Source } from '@linkspan/contract/push/work.ts';
import { apiError, attributeError } from '@linkspan/contract/serving/apiError.ts';
import * as clusters from '../store/clusters.ts';
import type { Executor } from '../store/executor.ts';
import * as links from '../store/links.ts';
import * as migrationHosts from '../store/migrationHosts.ts';
import * as projects from '../store/projects.ts';
import type { ClusterRow, LinkRow, MigrationHostRow } from '../store/schema.ts';
import { chooseHost } from './hostChoice.ts';
import { inventoryOf } from './inventory.ts';

/** Body of create and validate, in any version or Linkspan's own. */
export type MigrationRequest =
  | CreateLiveMigration20230101
  | CreateLiveMigration20240530
  | CreateLiveMigrationOwn
  | ValidateLiveMigrationOwn;

/** What a request names, found. */
export interface ResolvedRequest {
  readonly orgId: string;
  readonly link: LinkRow;
  readonly host: MigrationHostRow;
  readonly cluster: ClusterRow;
  /** Without the password, as it is kept. */
  readonly source: Omit<Source, 'password'>;
  readonly password: string | null;
  readonly dropDestinationData: boolean;
}

/** Takes away attributes that clients send empty when they do not use them. */
export function dropEmptyAttributes(body: unknown): unknown {
  if (typeof body !== 'object' || body === null) return body;
  const copy = { ...(body as Record<string, unknown>) };
  for (const [parent, field] of EMPTY_MEANS_ABSENT) {
    const value = copy[parent];
    if (typeof value !== 'object' || value === null) continue;
    const inner = value as Record<string, unknown>;
    if (inner[field] !== '') continue;
    const { [field]: _empty, ...rest } = inner;
    copy[parent] = rest;
  }
  return copy;
}

/**
 * Finds what a request names, all of it within the project's organization and its link (rule C9), and
 * picks the migration host where it does not name exactly one.
 * @throws {ApiError} naming the attribute that leads nowhere
 */
export async function resolveRequest(
  tx: Executor,
  groupId: string,
  body: MigrationRequest,
): Promise<ResolvedRequest> {
  const { destination, source } = body;
  if (destination.groupId !== groupId) {
    throw attributeError(
      'GROUP_MISMATCH',
      'destination.groupId',
      'must be the project of the path',
      [destination.groupId],
    );
  }
  if (body.sharding !== undefined && body.sharding !== null) {
    throw attributeError('INVALID_ATTRIBUTE', 'sharding', 'is not supported');
  }
  const project = await projects.find(tx, groupId);
  if (project === undefined) throw apiError('GROUP_NOT_FOUND', groupId);
  const cluster = await clusters.findByName(tx, groupId, destination.clusterName);
  if (cluster === undefined) {
    throw attributeError(
      'CLUSTER_NOT_FOUND',
      'destination.clusterName',
      'is not a registered cluster of this project',
      [destination.clusterName, groupId],
    );
  }
  const link = await linkedLink(tx, project.org_id);
  const host = await findHost(tx, link, body);
  const credentials = credentialsOf(source);
  return {
    orgId: project.org_id,
    link,
    host,
    cluster,
    source: {
      projectId: source.groupId,
      clusterName: source.clusterName,
      managedAuthentication: source.managedAuthentication,
      username: credentials.username,
      ssl: source.ssl,
      caCertificatePath: source.caCertificatePath ?? null,
    },
    password: credentials.password,
    dropDestinationData:
      'dropEnabled' in body ? body.dropEnabled : (body.dropDestinationData ?? false),
  };
}

async function linkedLink(tx: Executor, orgId: string): Promise<LinkRow> {
  const link = await links.findByOrganization(tx, orgId);
  return requireLinked(link, orgId);
}

/** @throws {ApiError} 409 unless an agent has linked and nobody removes the link */
function requireLinked(link: LinkRow | undefined, orgId: string): LinkRow {
  if (link === undefined) {
    throw apiError(
      'ORG_LINK_NOT_LINKED',
      orgId,
      'create a link-token and start an agent with it first',
    );
  }
  if (link.state === 'PENDING') {
    throw apiError('ORG_LINK_NOT_LINKED', orgId, 'no agent has presented its link-token yet');
  }
  if (link.state === 'REMOVING') {
    throw apiError('ORG_LINK_NOT_LINKED', orgId, 'its link-token is being removed');
  }
  return link;
}

async function findHost(
  tx: Executor,
  link: LinkRow,
  { source, migrationHosts: names = [] }: MigrationRequest,
): Promise<MigrationHostRow> {
  const [name] = names;
  if (names.length !== 1) return pickHost(tx, link, source, names);
  // Whoever removes the link or changes who its hosts are waits, or this transaction is run again. Not where
  // a host is picked: two that share the row would both wait for the other to let go of it.
  requireLinked(await links.findForShare(tx, link.id), link.org_id);
  const named = (await migrationHosts.listByLink(tx, link.id)).filter(
    (host) => host.hostname === name || host.id === name,
  );
  const hosts = named
    .filter((host) => host.unlinked_at === null)
    .toSorted((a, b) => (a.heartbeat_at < b.heartbeat_at ? 1 : -1));
  if (named.length > 0 && hosts.length === 0) {
    throw apiError(
      'ORG_LINK_NOT_LINKED',
      link.org_id,
      `migration host ${name ?? ''} was unlinked from the source side; create a link-token for another host of the link, and link it with that`,
    );
  }
  if (hosts.length === 0) {
    throw attributeError(
      'INVALID_ATTRIBUTE',
      'migrationHosts',
      `${name ?? ''} is not a migration host of this organization's link`,
    );
  }
  const projectsOf = (host: MigrationHostRow) =>
    inventoryOf(host).filter((project) => project.projectId === source.groupId);
  const knowing = hosts.filter((host) => projectsOf(host).length > 0);
  if (knowing.length === 0) {
    throw attributeError(
      'INVALID_ATTRIBUTE',
      'source.groupId',
      `migration host ${name ?? ''} has no source project ${source.groupId}`,
    );
  }
  const reading = knowing.find((host) =>
    projectsOf(host).some((project) =>
      project.deployments.some((deployment) => deployment.name === source.clusterName),
    ),
  );
  if (reading === undefined) {
    throw attributeError(
      'INVALID_ATTRIBUTE',
      'source.clusterName',
      `migration host ${name ?? ''} has no deployment ${source.clusterName} in source project ${source.groupId}`,
    );
  }
  return reading;
}

/** The choice is made under a lock, in the transaction that creates what the host is for. */
async function pickHost(
  tx: Executor,
  link: LinkRow,
  { groupId: projectId, clusterName }: MigrationRequest['source'],
  names: readonly string[],
): Promise<MigrationHostRow> {
  await links.findForUpdate(tx, link.id);
  const isNamed = ({ hostname, id }: MigrationHostRow): boolean =>
    names.length === 0 || names.includes(hostname) || names.includes(id);
  const picked = await chooseHost(tx, link.id, { projectId, clusterName }, isNamed);
  if (picked !== undefined) return picked;
  throw attributeError(
    'INVALID_ATTRIBUTE',
    'migrationHosts',
    `no migration host ${names.length === 0 ? "of this organization's link" : 'among them'} is in touch and has the deployment ${clusterName} in source project ${projectId}`,
  );
}

/** With managed authentication the agent has the credentials: any in the request are not kept. */
function credentialsOf(source: MigrationRequest['source']): {
  readonly username: string | null;
  readonly password: string | null;
} {
  if (source.managedAuthentication) return { username: null, password: null };
  for (const field of ['username', 'password'] as const) {
    if (typeof source[field] !== 'string') {
      throw attributeError(
        'MISSING_ATTRIBUTE',
        `source.${field}`,
        'is required unless managedAuthentication is true',
      );
    }
  }
  return { username: source.username ?? null, password: source.password ?? null };
}
