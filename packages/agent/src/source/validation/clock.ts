import { finding } from '@linkspan/contract/api/findings.ts';
import type { SourceConnection } from '../connection.ts';
import type { Check } from './check.ts';

/** Clocks that differ by less are said to agree, in milliseconds. */
export const CLOCKS_AGREE_MS = 10_000;

/** How far the source's clock is ahead of this machine's, in milliseconds; null where it is not told. */
export async function clockOffset(source: SourceConnection): Promise<number | null> {
  const before = Date.now();
  const { localTime } = await source.client.db('admin').command({ hello: 1 });
  if (!(localTime instanceof Date)) return null;
  return Math.round(localTime.getTime() - (before + Date.now()) / 2);
}

export const checkClock: Check = async ({ source }) => {
  const offset = await clockOffset(source);
  if (offset === null || Math.abs(offset) <= CLOCKS_AGREE_MS) return [];
  const seconds = Math.round(Math.abs(offset) / 1000);
  return [
    finding(
      'SOURCE_CLOCK_DIFFERS',
      `that of the source is ${seconds} seconds ${offset > 0 ? 'ahead' : 'behind'}.`,
    ),
  ];
};
