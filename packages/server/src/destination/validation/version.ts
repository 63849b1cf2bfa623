import { finding } from '@linkspan/contract/api/findings.ts';

import type { Check } from './check.ts';

/** Source and destination by their feature compatibility versions, which decide what they take. */
export const checkVersion: Check = async ({ destination, source }) => {
  if (source === null || source === undefined) return [];
  const admin = destination.client.db('admin');
  const { version } = await admin.command({ buildInfo: 1 });
  const told = await admin
    .command({ getParameter: 1, featureCompatibilityVersion: 1 })
    .catch(() => null);
  const there = String(told?.['featureCompatibilityVersion']?.['version'] ?? version);
  const here = source.featureCompatibilityVersion;
  const difference = compareVersions(there, here);
  if (difference === 0) return [];
  const code = difference < 0 ? 'DESTINATION_OLDER' : 'DESTINATION_NEWER';
  return [
    finding(
      code,
      `destination cluster ${destination.cluster} is MongoDB ${String(version)} with feature compatibility version ${there}, the source is ${source.mongoDBVersion} with ${here}.`,
    ),
  ];
};

/** By major and minor version: `7.0` before `8.2.1`. */
export function compareVersions(a: string, b: string): number {
  const parts = (version: string): number[] => version.split('.').slice(0, 2).map(Number);
  const [majorA = 0, minorA = 0] = parts(a);
  const [majorB = 0, minorB = 0] = parts(b);
  return majorA - majorB || minorA - minorB;
}
