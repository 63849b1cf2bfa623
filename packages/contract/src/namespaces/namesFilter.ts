/** Of more names at once, all collections of the database are read: some servers compare each with each. */
export const MOST_NAMES = 100;

/**
 * The `filter` of a `listCollections` for collections of these names. It may let through more: whoever asks
 * keeps to the names.
 */
export function namesFilter(names: ReadonlySet<string>): { name?: { $in: string[] } } {
  return names.size > MOST_NAMES ? {} : { name: { $in: [...names] } };
}
