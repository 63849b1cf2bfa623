import type { Document, Timestamp } from 'mongodb';
import { finding } from '@linkspan/contract/api/findings.ts';
import type { SourceConnection } from '../connection.ts';
import type { Check } from './check.ts';

const HOUR = 3600;
/** An oplog that is fuller than this drops its oldest entries soon. */
const FULL = 0.9;

/** Hazard 10: how long the agent may be down before the history is lost, beside the time of the copy. */
export const checkOplog: Check = async ({ source, copySeconds }) => {
  const window = await windowOf(source).catch(() => null);
  if (window === null) return [finding('OPLOG_WINDOW_NOT_TOLD')];
  const needed = copySeconds === null ? null : hours(copySeconds);
  const held = `${hours(window.seconds)} of changes${window.isFull ? '' : ', and it is not full yet'}`;
  if (window.isFull && copySeconds !== null && window.seconds < copySeconds) {
    return [finding('OPLOG_WINDOW_SHORT', `it holds ${held}; the copy may take ${needed}.`)];
  }
  return [finding('OPLOG_WINDOW', `${held}.`)];
};

async function windowOf(
  source: SourceConnection,
): Promise<{ seconds: number; isFull: boolean } | null> {
  const local = source.client.db('local');
  const end = async (direction: 1 | -1): Promise<number | null> => {
    const [entry] = await local
      .collection('oplog.rs')
      .find({}, { projection: { ts: 1 } })
      .sort({ $natural: direction })
      .limit(1)
      .toArray();
    return (entry?.['ts'] as Timestamp | undefined)?.getHighBits() ?? null;
  };
  const [first, last] = [await end(1), await end(-1)];
  if (first === null || last === null) return null;
  const stats: Document = await local.command({ collStats: 'oplog.rs' }).catch(() => ({}));
  const size = Number(stats['size'] ?? 0);
  const isFull = stats['maxSize'] !== undefined && size > FULL * Number(stats['maxSize']);
  return { seconds: last - first, isFull };
}

function hours(seconds: number): string {
  return seconds < HOUR
    ? `${Math.ceil(seconds / 60)} minutes`
    : `${Math.round(seconds / HOUR)} hours`;
}
