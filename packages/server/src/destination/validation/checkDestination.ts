import { finding } from '@linkspan/contract/api/findings.ts';
import type { Finding } from '@linkspan/contract/push/validation.ts';

import type { ConnectionTest } from '../../domain/ports.ts';
import { Destination } from '../destination.ts';
import { reasonOf } from '../errors.ts';
import { testConnection } from '../probe.ts';
import type { Check, Inspected, Validated } from './check.ts';
import { checkClock } from './clock.ts';
import { checkContents } from './contents.ts';
import { checkDiskSpace, freeBytesOf } from './diskSpace.ts';
import { checkPrivileges } from './privileges.ts';
import { checkStructure } from './structure.ts';
import { checkTopology } from './topology.ts';
import { checkVersion } from './version.ts';

const CHECKS: readonly Check[] = [
  checkTopology,
  checkVersion,
  checkPrivileges,
  checkContents,
  checkDiskSpace,
  checkClock,
  checkStructure,
];

/** What a validation learns of the destination. */
export interface DestinationCheck {
  readonly findings: readonly Finding[];
  /** What the cluster is, or why it could not be asked. */
  readonly test: ConnectionTest;
  readonly freeBytes: number | null;
}

/** What a validation finds at the destination. Nothing that is written stays. */
export async function checkDestination(
  validated: Validated,
  signal: AbortSignal,
): Promise<DestinationCheck> {
  const { cluster, uri, mayConnect } = validated;
  const test = await testConnection(uri, mayConnect, signal);
  if (!test.ok) {
    const found = finding(`DESTINATION_${test.code}`, `${cluster}, ${test.message}.`);
    return { findings: [found], test, freeBytes: null };
  }
  const destination = new Destination({
    cluster,
    uri,
    mayConnect,
    connectionName: 'linkspan-validation',
    guard: () => Promise.reject(new Error('a validation writes nothing here')),
  });
  const cut = (): void => void destination.close();
  signal.addEventListener('abort', cut, { once: true });
  try {
    const freeBytes = await freeBytesOf(destination);
    const inspected: Inspected = { ...validated, destination, freeBytes, signal };
    const findings: Finding[] = test.fence === 'ENFORCED' ? [] : [notEnforced(cluster)];
    for (const check of CHECKS) findings.push(...(await check(inspected)));
    return { findings, test, freeBytes };
  } catch (reason) {
    const why = signal.aborted ? 'no answer in time' : reasonOf(reason);
    return {
      findings: [finding('DESTINATION_CHECK_FAILED', `${cluster}: ${why}.`)],
      test,
      freeBytes: null,
    };
  } finally {
    signal.removeEventListener('abort', cut);
    await destination.close();
  }
}

/** What a removal of the link-token rests on then is in the documentation of the control plane (rule C4). */
function notEnforced(cluster: string): Finding {
  return finding(
    'DESTINATION_FENCE_NOT_ENFORCED',
    `destination cluster ${cluster} takes a number of a retryable write that is lower than one before, or is sharded.`,
  );
}
