import type { WriteBlockRecord, WriteBlockRecords } from '../journal/writeBlockRecords.ts';
import {
  WriteBlockRefusedError,
  isWriteBlocked,
  liftWriteBlock,
  setWriteBlock,
} from '../source/writeBlock.ts';
import type { EngineLog } from './context.ts';

/** Points at which tests stop or hold; none does anything by itself. */
export interface WriteBlockHooks {
  afterRecorded?(): Promise<void>;
  afterSet?(): Promise<void>;
  afterLifted?(): Promise<void>;
}

export interface WriteBlockOptions {
  readonly records: WriteBlockRecords;
  readonly of: Pick<WriteBlockRecord, 'migrationId' | 'projectId' | 'clusterName'>;
  /**
   * The connection string of agent.yaml, also where the request brought credentials of its own: the
   * block must be lifted without the server. null: the deployment is not there any more.
   */
  readonly uri: string | null;
  /** `allowWriteBlock` of the deployment: without it the source is only read (invariant I7). */
  readonly isAllowed: boolean;
  readonly log: EngineLog;
  readonly hooks?: WriteBlockHooks;
}

/**
 * The write block of one live migration at its source (rule D23), from one look at its record:
 *
 *     record       at the source          what leads on
 *     none         not set by this host   set: record, then set
 *     HELD         set, or about to be    complete: COMPLETING. Another host answers for it now: none.
 *                                         Anything else: lift, then none
 *     COMPLETING   set                    the server has COMPLETE: KEPT. It has not, and nothing under way
 *                                         makes it so: lift, then none
 *     KEPT         set                    `linkspan agent unblock`: lift, then none
 *
 * The record is written before the source is touched and removed after it, and lifting what is not set
 * does no harm. So a crash anywhere leaves a record from which the next start, or that command, lifts. The
 * server is told of it before the source is touched as well: a host that has the migration after this one
 * makes a record of its own of that, and lifts. Of several live migrations of one source each has a record;
 * only the last one that lets go lifts.
 */
export class WriteBlock {
  readonly #options: WriteBlockOptions;
  /** Comes back when the server knows of the record that was just written. */
  onRecorded: (signal: AbortSignal) => Promise<void> = async () => {};

  constructor(options: WriteBlockOptions) {
    this.#options = options;
  }

  get state(): WriteBlockRecord['state'] | null {
    const { records, of } = this.#options;
    return records.get(of.migrationId)?.state ?? null;
  }

  /** For the server. Nothing where this host may not lift what another one had set: that stays known. */
  report(): { sourceWriteBlock?: boolean } {
    return this.#options.isAllowed ? { sourceWriteBlock: this.state !== null } : {};
  }

  /**
   * A host that had the live migration before has set it, or was about to: from here on it is this host's
   * to lift. Nothing where agent.yaml does not allow that.
   */
  adopt(): void {
    const { isAllowed, log } = this.#options;
    if (this.state !== null) return;
    if (isAllowed) this.#record('HELD');
    else
      log.error(
        {},
        'the migration host before this one may have blocked the writes of the source, and the configuration of this one does not allow it to lift that: run linkspan agent unblock there, or {setUserWriteBlockMode: 1, global: false} at the source',
      );
  }

  /** What is to be known of it while the migration runs. */
  warnings(isCuttingOver: boolean): string[] {
    if (this.state === null) return [];
    return [
      isCuttingOver
        ? 'The cutover blocks the writes of the source.'
        : 'The writes of the source may still be blocked by a cutover that has failed: "linkspan agent unblock" on the migration host lifts that.',
    ];
  }

  /**
   * Records the block, tells the server, then sets it. One that somebody else has set already is used and not
   * recorded: it is not this host's to lift. One of another live migration of this host is recorded for
   * this one, too.
   * @param signal ends the wait for the server
   * @throws {WriteBlockRefusedError} and nothing is recorded any more
   * @throws {SourceUnreachableError} or the driver's errors: it may be set; ask again, or lift
   */
  async set(signal: AbortSignal): Promise<void> {
    const { records, of, isAllowed, hooks, log } = this.#options;
    if (!isAllowed) throw notAllowed(of.clusterName);
    const uri = this.#uri();
    if (this.state === null) {
      const others = records.othersAt(of);
      const isBlocked = await isWriteBlocked(uri);
      if (isBlocked === true && others.length === 0) {
        log.warn({}, 'the writes of the source are blocked already: that block is left as it is');
        return;
      }
      // Somebody has lifted those by themselves since; they must not keep this one from being lifted.
      const stale = others.filter(({ state }) => state === 'KEPT' && isBlocked === false);
      for (const { migrationId } of stale) records.remove(migrationId);
    }
    this.#record('HELD');
    await hooks?.afterRecorded?.();
    await this.onRecorded(signal);
    try {
      await records.inTurn(of, () => setWriteBlock(uri));
    } catch (error) {
      if (error instanceof WriteBlockRefusedError) records.remove(of.migrationId);
      throw error;
    }
    log.warn(
      {},
      'the writes of the source are blocked until the cutover fails or they are unblocked',
    );
    await hooks?.afterSet?.();
  }

  /** False if somebody has lifted it since it was set. @throws as {@link set} */
  async isStillSet(): Promise<boolean> {
    const blocked = await isWriteBlocked(this.#uri());
    return blocked ?? this.state !== null;
  }

  /** From here on only the server knows whether the live migration is COMPLETE. */
  completing(): void {
    if (this.state !== null) this.#record('COMPLETING');
  }

  /** The live migration is COMPLETE: the source stays as it was then until somebody lifts the block. */
  keep(): void {
    if (this.state === null) return;
    this.#record('KEPT');
    this.#options.log.warn(
      {},
      'the writes of the source stay blocked after the cutover: linkspan agent unblock lifts that',
    );
  }

  /** Another host answers for the block. */
  leave(): void {
    const { records, of, log } = this.#options;
    records.remove(of.migrationId);
    log.info(
      {},
      'the write block at the source is left to the migration host that answers for it now',
    );
  }

  /**
   * Lifts the block if this host has recorded one. One that other live migrations of this host have recorded
   * stays for them. @throws as {@link set}; the record stays then
   */
  async lift(): Promise<void> {
    const { records, of, log } = this.#options;
    await records.inTurn(of, async () => {
      if (this.state === null) return;
      const [other] = records.othersAt(of);
      if (other === undefined) {
        await this.#lift();
        return;
      }
      records.remove(of.migrationId);
      log.warn(
        { other: other.migrationId, state: other.state },
        'the write block at the source stays for another live migration: linkspan agent unblock lifts it',
      );
    });
  }

  /** The same, whoever else has recorded it: somebody wants the source to take writes. @throws as {@link lift} */
  async liftForAll(): Promise<void> {
    if (this.state !== null)
      await this.#options.records.inTurn(this.#options.of, () => this.#lift());
  }

  async #lift(): Promise<void> {
    const { records, of, hooks, log } = this.#options;
    await liftWriteBlock(this.#uri());
    await hooks?.afterLifted?.();
    records.remove(of.migrationId);
    log.info({}, 'the write block at the source is lifted');
  }

  #record(state: WriteBlockRecord['state']): void {
    const { records, of } = this.#options;
    const since = records.get(of.migrationId)?.since ?? new Date().toISOString();
    records.write({ ...of, state, since });
  }

  /** @throws {WriteBlockRefusedError} */
  #uri(): string {
    const { uri, of } = this.#options;
    if (uri !== null) return uri;
    throw new WriteBlockRefusedError(
      `the project ${of.projectId} has no deployment "${of.clusterName}" in the configuration of this migration host any more: put it back, with the connection string that it had`,
    );
  }
}

function notAllowed(clusterName: string): WriteBlockRefusedError {
  return new WriteBlockRefusedError(
    `the configuration of the migration host does not allow the write block that the live migration asks for: set allowWriteBlock: true for the deployment ${clusterName} and start the agent again, or stop the application's writes yourself and cut over without blockSourceWrites`,
  );
}
