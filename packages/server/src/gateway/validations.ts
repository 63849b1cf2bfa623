import type { Estimate } from '@linkspan/contract/api/liveMigrations.ts';
import { finding } from '@linkspan/contract/api/findings.ts';
import { PROBE_BYTES, type ValidationReport } from '@linkspan/contract/push/validation.ts';

import { checkDestination } from '../destination/validation/checkDestination.ts';
import { spaceNeeded } from '../destination/validation/diskSpace.ts';
import { timestamp } from '../domain/time.ts';
import * as clusters from '../store/clusters.ts';
import * as events from '../store/events.ts';
import * as validations from '../store/validations.ts';
import type { HostPrincipal } from './authenticate.ts';
import type { GatewayContext } from './context.ts';
import { PushError } from './errors.ts';
import { readSamples } from './samples.ts';

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
  const arrivedAt = Date.now();
  const { store, stopping, mayConnect } = context;
  const row = await validations.findOfHost(store.db, host.id, id);
  if (row === undefined) {
    throw new PushError(
      'MIGRATION_NOT_ACTIVE',
      'The validation is not known, or was not given to this migration host.',
    );
  }
  if (row.status !== 'PENDING') return;
  const samples = readSamples(report.samples ?? []);
  const cluster = await clusters.find(store.db, row.cluster_id);
  const destination =
    cluster === undefined
      ? { findings: [finding('DESTINATION_GONE')], test: null, freeBytes: null }
      : await checkDestination(
          {
            cluster: cluster.name,
            uri: clusters.openUri(store.sealer, cluster),
            mayConnect,
            namespaces: report.namespaces,
            dropDestinationData: row.drop_destination_data === 1,
            source: report.source ?? null,
            size: report.size ?? null,
            samples,
            samplesLeftOut: report.samplesLeftOut ?? 0,
            agentClockOffsetMs: report.sentAt === undefined ? null : report.sentAt - arrivedAt,
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
      estimate: JSON.stringify(estimateOf(report, destination.freeBytes)),
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
  context.announce(link.id);
}

/**
 * Takes a body that means nothing, so that the agent learns how fast the link is.
 * @throws {PushError} MIGRATION_NOT_ACTIVE if the validation is not this host's or is settled
 */
export async function probeLink(
  { store }: GatewayContext,
  { host }: HostPrincipal,
  id: string,
  body: unknown,
): Promise<void> {
  const row = await validations.findOfHost(store.db, host.id, id);
  if (row?.status !== 'PENDING') {
    throw new PushError(
      'MIGRATION_NOT_ACTIVE',
      'No validation of this migration host waits for it.',
    );
  }
  if (Buffer.isBuffer(body) && body.length <= PROBE_BYTES) return;
  throw new PushError('MESSAGE_INVALID', `A probe has at most ${PROBE_BYTES} bytes.`);
}

/** A sample of so many bytes tells something of a pace. */
const GOOD_SAMPLE_BYTES = 4 * 1024 * 1024;

function estimateOf({ dataBytes, size }: ValidationReport, freeBytes: number | null) {
  if (size === undefined) return null;
  const { storageBytes: _storage, indexBytes: _index, sampledBytes, ...rest } = size;
  return {
    ...rest,
    dataBytes,
    confidence: sampledBytes >= GOOD_SAMPLE_BYTES ? 'MEDIUM' : 'LOW',
    destinationBytesFree: freeBytes,
    destinationBytesNeeded: spaceNeeded(size),
  } satisfies Estimate;
}
