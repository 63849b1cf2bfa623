import type { Document } from 'mongodb';

/**
 * What caps a collection, as `<bytes>/<documents>` (0 documents: no limit), or null for one that is not
 * capped. A text, so that two are compared by `===`.
 * @param options of listCollections, or of a change event that tells of a new collection
 */
export function capOf({ capped, size, max }: Document): string | null {
  if (Number(capped ?? 0) === 0) return null;
  return `${Number(size ?? 0)}/${Math.max(0, Number(max ?? 0))}`;
}
