import type { Finding, ValidationReport } from '@linkspan/contract/push/messages.ts';

import { checkDestination } from '../destination/checks.ts';
import { timestamp } from '../domain/time.ts';
import * as clusters from '../store/clusters.ts';
import * as events from '../store/events.ts';
import * as validations from '../store/validations.ts';
import type { HostPrincipal } from './authenticate.ts';
import type { GatewayContext } from './context.ts';
import { PushError } from './errors.ts';

const GONE: Finding = {
  code: 'DESTINATION_GONE',
  severity: 'error',
  message: 'The destination cluster is gone.',
};

/** The agent waits 30 s for the answer. */
const CHECKS_MS = 25_000;

/**
 * Adds what the destination side finds, and settles the validation. Idempotent.
 * @throws {PushError} MIGRATION_NOT_ACTIVE if it is not this host's
 */
export async function reportValidation(
  context: GatewayContext,
  { host, link, remoteAddress }: HostPrincipal,
  id: string,
  report: ValidationReport,
): Promise<void> {
  const { store, stopping, mayConnect } = context;
  const row = await validations.findOfHost(store.db, host.id, id);
  if (row === undefined) {
    throw new PushError(
      'MIGRATION_NOT_ACTIVE',
      'The validation is not known, or was not given to this migration host.',
    );
  }
  if (row.status !== 'PENDING') return;
  const cluster = await clusters.find(store.db, row.cluster_id);
  const destination =
    cluster === undefined
      ? { findings: [GONE], test: null }
      : await checkDestination(
          {
            cluster: cluster.name,
            uri: clusters.openUri(store.sealer, cluster),
            mayConnect,
            namespaces: report.namespaces,
            dropDestinationData: row.drop_destination_data === 1,
          },
          AbortSignal.any([stopping, AbortSignal.timeout(CHECKS_MS)]),
        );
  // A stop of the server is no finding: the report comes again.
  stopping.throwIfAborted();
  const findings = [...report.findings, ...destination.findings];
  const errors = findings.filter(({ severity }) => severity === 'error');
  const failed = errors.length > 0;
  const errorMessage = failed ? errors.map(({ message }) => message).join('\n') : null;
  await store.transaction(async (tx) => {
    if (cluster !== undefined && destination.test?.ok === true) {
      await clusters.keepFacts(tx, cluster, destination.test);
    }
    const settled = await validations.settle(tx, id, {
      status: failed ? 'FAILED' : 'SUCCESS',
      findings: JSON.stringify(findings),
      errorMessage,
      at: timestamp(),
    });
    if (!settled) return;
    await events.record(tx, {
      type: failed ? 'CLUSTER_IMPORT_VALIDATION_FAIL' : 'CLUSTER_IMPORT_VALIDATION_SUCCESS',
      orgId: link.org_id,
      projectId: row.project_id,
      actor: { hostId: host.id, remoteAddress },
      targetId: id,
      detail: { codes: errors.map(({ code }) => code) },
    });
  });
  context.wakes.changed(link.id);
}
