import { actionOf } from '@linkspan/contract/api/findings.ts';
import type {
  Estimate,
  LiveMigrationValidation,
  LiveMigrationValidationDetail,
  ValidateLiveMigrationOwn,
} from '@linkspan/contract/api/liveMigrations.ts';
import type { Finding } from '@linkspan/contract/push/validation.ts';
import type { Source } from '@linkspan/contract/push/work.ts';
import type { Principal } from '../domain/access.ts';
import { apiError } from '@linkspan/contract/serving/apiError.ts';
import { newId } from '../domain/ids.ts';
import { apiTime, timestamp } from '../domain/time.ts';
import * as events from '../store/events.ts';
import type { ValidationRow } from '../store/schema.ts';
import * as validations from '../store/validations.ts';
import { actorOf, type OperationContext } from './context.ts';
import { keptNamespaces, namespacesToKeep } from './migrationNamespaces.ts';
import { type MigrationRequest, resolveRequest } from './migrationRequest.ts';

/** Asks the migration host to check what a migration of this request would meet. */
export async function create(
  context: OperationContext,
  principal: Principal,
  groupId: string,
  body: MigrationRequest,
  own: Pick<ValidateLiveMigrationOwn, 'blockSourceWrites' | 'namespaces'> = {},
): Promise<LiveMigrationValidation> {
  const namespaces = namespacesToKeep(own.namespaces);
  const { store, work } = context;
  const id = newId();
  const row = await store.transaction(async (tx) => {
    const resolved = await resolveRequest(tx, groupId, body);
    const { link, host, cluster, source, password, orgId } = resolved;
    const created: ValidationRow = {
      id,
      project_id: groupId,
      link_id: link.id,
      host_id: host.id,
      cluster_id: cluster.id,
      drop_destination_data: resolved.dropDestinationData ? 1 : 0,
      source: JSON.stringify(source),
      password_sealed:
        password === null ? null : store.sealer.seal(validations.passwordIdentity(id), password),
      status: 'PENDING',
      findings: '[]',
      error_message: null,
      created_at: timestamp(),
      finished_at: null,
      namespaces,
      block_source_writes: own.blockSourceWrites === true ? 1 : 0,
      estimate: null,
    };
    await validations.insert(tx, created);
    await events.record(tx, {
      type: 'LIVE_MIGRATION_VALIDATION_CREATED',
      orgId,
      projectId: groupId,
      actor: actorOf(principal),
      targetId: id,
      detail: { clusterName: cluster.name, migrationHost: host.hostname },
    });
    return created;
  });
  if (row.link_id !== null) work.changed(row.link_id);
  return toValidation(row);
}

export async function get(
  context: OperationContext,
  groupId: string,
  id: string,
): Promise<LiveMigrationValidation> {
  return toValidation(await load(context, groupId, id));
}

/** With each finding by itself. */
export async function detail(
  context: OperationContext,
  groupId: string,
  id: string,
): Promise<LiveMigrationValidationDetail> {
  const row = await load(context, groupId, id);
  return {
    ...toValidation(row),
    created: apiTime(row.created_at),
    blockSourceWrites: row.block_source_writes === 1,
    estimate: row.estimate === null ? null : (JSON.parse(row.estimate) as Estimate | null),
    findings: (JSON.parse(row.findings) as Finding[]).map((found) => ({
      ...found,
      action: actionOf(found.code),
    })),
    finished: row.finished_at === null ? null : apiTime(row.finished_at),
    namespaces: keptNamespaces(row),
  };
}

async function load(
  context: OperationContext,
  groupId: string,
  id: string,
): Promise<ValidationRow> {
  const row = await validations.findInProject(context.store.db, groupId, id);
  if (row === undefined) {
    throw apiError('RESOURCE_NOT_FOUND', `/groups/${groupId}/liveMigrations/validate/${id}`);
  }
  return row;
}

function toValidation(row: ValidationRow): LiveMigrationValidation {
  const source = JSON.parse(row.source) as Omit<Source, 'password'>;
  return {
    _id: row.id,
    errorMessage: row.error_message,
    groupId: row.project_id,
    sourceGroupId: source.projectId,
    status: row.status,
  };
}
