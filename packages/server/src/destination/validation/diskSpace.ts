import { finding } from '@linkspan/contract/api/findings.ts';
import type { SourceSize } from '@linkspan/contract/push/validation.ts';

import type { Destination } from '../destination.ts';
import type { Check } from './check.ts';

/** Blocks and trees fill differently when they are written in another order, and the oplog grows, too. */
const MARGIN = 1.2;
const GIBIBYTE = 1024 ** 3;

/** What the destination's data files will need: as the source's, with a margin. */
export function spaceNeeded({ storageBytes, indexBytes }: SourceSize): number {
  return Math.ceil((storageBytes + indexBytes) * MARGIN);
}

/** Free on the disk of the primary, where `dbStats` tells; null elsewhere. */
export async function freeBytesOf({ client }: Destination): Promise<number | null> {
  const stats = await client
    .db('admin')
    .command({ dbStats: 1 })
    .catch(() => null);
  const { fsTotalSize: total, fsUsedSize: used } = stats ?? {};
  return total === undefined || used === undefined ? null : Number(total) - Number(used);
}

export const checkDiskSpace: Check = async ({ destination, freeBytes, size }) => {
  if (size === null) return [];
  const needed = spaceNeeded(size);
  const gib = (bytes: number): string => (bytes / GIBIBYTE).toFixed(1);
  if (freeBytes === null) {
    const found = `destination cluster ${destination.cluster} does not tell; about ${gib(needed)} GiB are needed.`;
    return [finding('DESTINATION_DISK_SPACE_NOT_TOLD', found)];
  }
  if (freeBytes >= needed) return [];
  const found = `about ${gib(needed)} GiB are needed, ${gib(freeBytes)} GiB are free.`;
  return [finding('DESTINATION_DISK_SPACE_LOW', found)];
};
