import { statfs } from 'node:fs/promises';
import { finding } from '@linkspan/contract/api/findings.ts';
import type { Check } from './check.ts';

const GIBIBYTE = 1024 ** 3;

/** Of the data, a journal that is pushed slowly for long may take so much. */
const SHARE_OF_DATA = 0.05;

/** That the journal has room: one gibibyte, or a twentieth of the data where that is more. */
export const checkAgentDisk: Check = async ({ stateDirectory, dataBytes }) => {
  const { bavail, bsize } = await statfs(stateDirectory);
  const free = bavail * bsize;
  const wanted = Math.max(GIBIBYTE, dataBytes * SHARE_OF_DATA);
  if (free >= wanted) return [];
  const gib = (bytes: number): string => (bytes / GIBIBYTE).toFixed(1);
  return [
    finding(
      'AGENT_DISK_SPACE_LOW',
      `${gib(free)} GiB are free; ${gib(wanted)} GiB should be for this migration.`,
    ),
  ];
};
