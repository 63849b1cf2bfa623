import { mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import Type, { type Static } from 'typebox';
import Value from 'typebox/value';
import { removeDurably, writeDurably } from './durableFile.ts';

const Record = Type.Object({
  migrationId: Type.String({ pattern: '^[0-9a-f]{24}$' }),
  projectId: Type.String(),
  /** The deployment of agent.yaml, by whose connection string the block is set and lifted. */
  clusterName: Type.String(),
  /**
   * HELD: a cutover is about to set the block, or has. COMPLETING: all is at the destination and the
   * server is being told, which it may or may not have taken. KEPT: the live migration is COMPLETE.
   */
  state: Type.Union([Type.Literal('HELD'), Type.Literal('COMPLETING'), Type.Literal('KEPT')]),
  /** ISO 8601. */
  since: Type.String(),
});

/** A write block at a source that this host answers for, from before it is set until it is lifted. */
export type WriteBlockRecord = Static<typeof Record>;

type Source = Pick<WriteBlockRecord, 'migrationId' | 'projectId' | 'clusterName'>;

const SUFFIX = '.json';

/**
 * The write blocks of a state directory, one file a live migration (rule D23). Apart from the journals,
 * so that a damaged or removed journal never hides one.
 */
export class WriteBlockRecords {
  readonly #directory: string;
  readonly #turns = new Map<string, Promise<unknown>>();

  /** @param stateDirectory the agent's; another process may use it meanwhile */
  constructor(stateDirectory: string) {
    this.#directory = join(stateDirectory, 'write-blocks');
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
  }

  /** The oldest first. */
  list(): WriteBlockRecord[] {
    return readdirSync(this.#directory)
      .filter((name) => name.endsWith(SUFFIX))
      .map((name) => this.get(name.slice(0, -SUFFIX.length)))
      .filter((record) => record !== null)
      .toSorted((a, b) => (a.since < b.since ? -1 : 1));
  }

  /** @throws {Error} naming the file if it was damaged */
  get(migrationId: string): WriteBlockRecord | null {
    const path = this.#path(migrationId);
    let record: unknown;
    try {
      record = JSON.parse(readFileSync(path, 'utf8'));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    }
    if (Value.Check(Record, record)) return record;
    throw new Error(
      `${path} is damaged: run {setUserWriteBlockMode: 1, global: false} at the source if it does not take writes, then remove the file`,
    );
  }

  /** Those of other live migrations at the same source. */
  othersAt({ migrationId, projectId, clusterName }: Source): WriteBlockRecord[] {
    return this.list().filter(
      (other) =>
        other.migrationId !== migrationId &&
        other.projectId === projectId &&
        other.clusterName === clusterName,
    );
  }

  /** One after the other for each source: what sets a block there and what lifts one. */
  async inTurn<T>({ projectId, clusterName }: Source, task: () => Promise<T>): Promise<T> {
    const source = `${projectId} ${clusterName}`;
    const turn = (this.#turns.get(source) ?? Promise.resolve()).then(task);
    this.#turns.set(
      source,
      turn.catch(() => undefined),
    );
    return turn;
  }

  /** Durable when it comes back. */
  write(record: WriteBlockRecord): void {
    writeDurably(this.#path(record.migrationId), JSON.stringify(record, null, 2));
  }

  /** Durable when it comes back. */
  remove(migrationId: string): void {
    removeDurably(this.#path(migrationId));
  }

  #path(migrationId: string): string {
    return join(this.#directory, `${migrationId}${SUFFIX}`);
  }
}
