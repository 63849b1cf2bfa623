import type { ConfiguredProject } from '../config/config.ts';
import { type WriteBlockRecord, WriteBlockRecords } from '../journal/writeBlockRecords.ts';
import { WriteBlock } from '../migration/writeBlock.ts';
import { findDeployment } from './sourceUri.ts';

export interface Unblocked {
  readonly record: WriteBlockRecord;
  /** null once the block is lifted and its record is gone. */
  readonly problem: string | null;
}

/**
 * Lifts every write block of a state directory, or those of one migration, whatever state they are in.
 * It needs the source alone, and neither the server nor the agent's lock: it works while the agent
 * runs, hangs or is gone. A cutover that is under way fails then.
 * @throws {Error} if a record was damaged
 */
export async function unblockSources(
  stateDirectory: string,
  projects: readonly ConfiguredProject[],
  migrationId?: string,
): Promise<Unblocked[]> {
  const records = new WriteBlockRecords(stateDirectory);
  const wanted = records
    .list()
    .filter((record) => migrationId === undefined || record.migrationId === migrationId);
  const results: Unblocked[] = [];
  for (const record of wanted) {
    const uri = findDeployment(projects, record)?.uri ?? null;
    const block = new WriteBlock({ records, of: record, uri, isAllowed: false, log: SILENT });
    try {
      await block.liftForAll();
      results.push({ record, problem: null });
    } catch (error) {
      results.push({ record, problem: (error as Error).message });
    }
  }
  return results;
}

const SILENT = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
