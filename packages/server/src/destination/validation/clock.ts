import { finding } from '@linkspan/contract/api/findings.ts';

import type { Check } from './check.ts';

/** Clocks that differ by less are said to agree, in milliseconds. */
const CLOCKS_AGREE_MS = 10_000;

/** The clock of the source by way of the agent's, that of the destination by way of this server's. */
export const checkClock: Check = async ({ destination, source, agentClockOffsetMs }) => {
  const offset = source?.clockOffsetMs ?? null;
  if (offset === null || agentClockOffsetMs === null) return [];
  const before = Date.now();
  const { localTime } = await destination.client.db('admin').command({ hello: 1 });
  if (!(localTime instanceof Date)) return [];
  const destinationOffset = localTime.getTime() - (before + Date.now()) / 2;
  const ahead = Math.round((offset + agentClockOffsetMs - destinationOffset) / 1000);
  if (Math.abs(ahead) * 1000 <= CLOCKS_AGREE_MS) return [];
  return [
    finding(
      'DESTINATION_CLOCK_DIFFERS',
      `that of the source is ${Math.abs(ahead)} seconds ${ahead > 0 ? 'ahead' : 'behind'}.`,
    ),
  ];
};
