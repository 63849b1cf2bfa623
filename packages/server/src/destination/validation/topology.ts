import { finding } from '@linkspan/contract/api/findings.ts';
import type { ObjectId } from 'mongodb';

import type { Check } from './check.ts';

/** That the destination is not the source, and whether a majority of it can always be had. */
export const checkTopology: Check = async ({ destination, source }) => {
  const admin = destination.client.db('admin');
  const hello = await admin.command({ hello: 1 });
  const findings = [];
  const arbiters = (hello['arbiters'] ?? []) as string[];
  if (arbiters.length > 0) findings.push(finding('DESTINATION_ARBITER', `${arbiters.join(', ')}.`));
  const config = await admin.command({ replSetGetConfig: 1 }).catch(() => null);
  const replicaSetId = hex(config?.['config']?.['settings']?.['replicaSetId']);
  const processId = hex(hello['topologyVersion']?.['processId']);
  const isSame = (a: string | null, b: string | null | undefined): boolean => a !== null && a === b;
  if (isSame(replicaSetId, source?.replicaSetId) || isSame(processId, source?.processId)) {
    findings.push(
      finding(
        'DESTINATION_IS_SOURCE',
        `destination cluster ${destination.cluster} and the source are one deployment.`,
      ),
    );
  }
  return findings;
};

function hex(id: unknown): string | null {
  return (id as ObjectId | undefined)?.toHexString() ?? null;
}
