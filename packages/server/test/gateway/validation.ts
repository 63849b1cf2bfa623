import { newId } from '../../src/domain/ids.ts';
import { timestamp } from '../../src/domain/time.ts';
import * as validations from '../../src/store/validations.ts';
import type { TestHost, TestPush } from './push.ts';

/** @returns the id of a validation that waits for its report */
export async function beginValidation(
  push: TestPush,
  host: TestHost,
  dropDestinationData: 0 | 1 = 0,
): Promise<string> {
  const id = newId();
  const cluster = await push.store.db.selectFrom('clusters').selectAll().executeTakeFirstOrThrow();
  await validations.insert(push.store.db, {
    id,
    project_id: cluster.project_id,
    link_id: push.linkId,
    host_id: host.hostId,
    cluster_id: cluster.id,
    drop_destination_data: dropDestinationData,
    source: '{}',
    password_sealed: push.store.sealer.seal(validations.passwordIdentity(id), 'secret'),
    status: 'PENDING',
    findings: '[]',
    error_message: null,
    created_at: timestamp(),
    finished_at: null,
    namespaces: null,
    block_source_writes: 0,
    estimate: null,
  });
  return id;
}
