import { MongoServerError, MongoWriteConcernError } from 'mongodb';

import { serverCode } from './errors.ts';

const INDEX_NOT_FOUND = 27;

/**
 * Aborts a build of indexes by dropping them. Never throws: whether it worked shows elsewhere.
 *
 * A `mongod` aborts a build only if `dropIndexes` names exactly all of its indexes. Another set is refused
 * with 12587 (BackgroundOperationInProgressForNamespace) while anything is being built there, else with 27
 * (IndexNotFound), and nothing is dropped. Source: `IndexBuildsCoordinator::abortIndexBuildByIndexNames`
 * and `drop_indexes.cpp` (4.4 and newer). Other servers take one name alone.
 *
 * @param names all that one `createIndexes` builds
 * @param drop sends `dropIndexes` with that `index`, and waits for a majority: an abort that is rolled back
 *   lets the next primary go on with the build
 */
export async function abortBuild(
  names: readonly string[],
  drop: (index: string | readonly string[]) => Promise<unknown>,
): Promise<void> {
  const isRefused = async (index: string | readonly string[]): Promise<boolean> => {
    try {
      await drop(index);
      return false;
    } catch (error) {
      // What it says of the write concern is about an abort that was done.
      if (!(error instanceof MongoServerError) || error instanceof MongoWriteConcernError)
        return false;
      return serverCode(error) !== INDEX_NOT_FOUND;
    }
  };
  if (names.length > 1 && !(await isRefused(names))) return;
  for (const name of names) await isRefused(name);
}
