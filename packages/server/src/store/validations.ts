import type { Executor } from './executor.ts';
import type { Sealer } from './sealing.ts';
import type { ValidationRow } from './schema.ts';

/** The identity that the source password of a validation is sealed with. */
export function passwordIdentity(id: string): string {
  return `validations.password/${id}`;
}

/** The password given in the request, or null if there was none or it is erased. */
export function openPassword(sealer: Sealer, row: ValidationRow): string | null {
  return row.password_sealed === null
    ? null
    : sealer.open(passwordIdentity(row.id), row.password_sealed);
}

export async function insert(ex: Executor, row: ValidationRow): Promise<void> {
  await ex.insertInto('validations').values(row).execute();
}

export async function findInProject(
  ex: Executor,
  projectId: string,
  id: string,
): Promise<ValidationRow | undefined> {
  return ex
    .selectFrom('validations')
    .selectAll()
    .where('project_id', '=', projectId)
    .where('id', '=', id)
    .executeTakeFirst();
}

/** A validation that this host was given. */
export async function findOfHost(
  ex: Executor,
  hostId: string,
  id: string,
): Promise<ValidationRow | undefined> {
  return ex
    .selectFrom('validations')
    .selectAll()
    .where('host_id', '=', hostId)
    .where('id', '=', id)
    .executeTakeFirst();
}

export async function listPendingOfHosts(
  ex: Executor,
  hostIds: readonly string[],
): Promise<ValidationRow[]> {
  return ex
    .selectFrom('validations')
    .selectAll()
    .where('host_id', 'in', hostIds)
    .where('status', '=', 'PENDING')
    .orderBy('created_at')
    .orderBy('id')
    .execute();
}

export async function listPendingOfLink(ex: Executor, linkId: string): Promise<ValidationRow[]> {
  return ex
    .selectFrom('validations')
    .selectAll()
    .where('link_id', '=', linkId)
    .where('status', '=', 'PENDING')
    .orderBy('id')
    .execute();
}

export async function listPendingOfCluster(
  ex: Executor,
  clusterId: string,
): Promise<ValidationRow[]> {
  return ex
    .selectFrom('validations')
    .selectAll()
    .where('cluster_id', '=', clusterId)
    .where('status', '=', 'PENDING')
    .execute();
}

/** @param before a time as the store keeps them */
export async function listPendingSince(ex: Executor, before: string): Promise<ValidationRow[]> {
  return ex
    .selectFrom('validations')
    .selectAll()
    .where('status', '=', 'PENDING')
    .where('created_at', '<', before)
    .orderBy('created_at')
    .orderBy('id')
    .execute();
}

/**
 * Settles a PENDING validation and erases its password.
 * @returns false if it was settled already
 */
export async function settle(
  ex: Executor,
  id: string,
  result: {
    readonly status: 'SUCCESS' | 'FAILED';
    /** JSON array of the wire's `Finding`. */
    readonly findings: string;
    /** JSON of the API's `Estimate`, or of null. */
    readonly estimate?: string;
    readonly errorMessage: string | null;
    readonly at: string;
  },
): Promise<boolean> {
  const update = await ex
    .updateTable('validations')
    .set({
      status: result.status,
      findings: result.findings,
      estimate: result.estimate ?? null,
      error_message: result.errorMessage,
      finished_at: result.at,
      password_sealed: null,
    })
    .where('id', '=', id)
    .where('status', '=', 'PENDING')
    .executeTakeFirst();
  return update.numUpdatedRows > 0n;
}
