import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { type ClusterTime, decodeTime, encodeTime } from './clusterTime.ts';
import { type DirtyKeys, openDirtyKeys } from './dirtyKeys.ts';
import { type Incarnations, openIncarnations } from './incarnations.ts';
import { type CopyRanges, openCopyRanges } from './copyRanges.ts';
import { JournalError } from './errors.ts';
import { type KeysToVerify, openKeysToVerify } from './keysToVerify.ts';
import { type Pending, openPending } from './pending.ts';
import { type SentStructure, openSentStructure } from './sentStructure.ts';
import { JOURNAL_SCHEMA, JOURNAL_VERSION } from './schema.ts';
import { type StructuralChanges, openStructuralChanges } from './structuralChanges.ts';
import { type Totals, openTotals } from './totals.ts';
import { type Verifications, openVerifications } from './verifications.ts';

/** How far the stream has been read: everything before `time`, and everything at it if `through`. */
export interface TrackedPosition {
  readonly time: ClusterTime;
  readonly through: boolean;
}

/** Which of a collection's indexes the destination is to have: see `migration/indexes.ts`. */
export type IndexStage = 'tail' | 'unique' | 'final';

export interface MigrationState {
  readonly sourceIdentity: string;
  /** A BSON document, as the server gave it. */
  readonly resumeToken: Buffer;
  readonly position: TrackedPosition;
  readonly trackingSince: ClusterTime;
  readonly listedAt: ClusterTime | null;
  /** The source is to be listed again; what is known of it counts all the same. */
  readonly isToList: boolean;
  readonly stage: IndexStage;
  readonly documentsFlushed: number;
  readonly finishedCutover: number;
  /** How often the source had lost the history after the last change that was read. */
  readonly historyLosses: number;
  /** How often the migration had changed its host when this began; null before its first session. */
  readonly hostChanges: number | null;
  /** What the destination holds is not known yet, and is not empty. */
  readonly isTakingOver: boolean;
}

/** Collections that {@link Totals.mostLeft} lists: a report is sent every second. */
const LISTED_AT_MOST = 100;

/**
 * The durable state of one migration. Every method is synchronous; `transaction` makes several of
 * them one. The tables are in `schema.ts`, one module a table beside this one.
 */
export interface Journal extends Disposable {
  readonly incarnations: Incarnations;
  readonly pending: Pending;
  readonly ranges: CopyRanges;
  readonly dirty: DirtyKeys;
  readonly structural: StructuralChanges;
  readonly sent: SentStructure;
  totals(): Totals;
  readonly verifications: Verifications;
  readonly keysToVerify: KeysToVerify;
  /** null until {@link begin}. */
  state(): MigrationState | null;
  begin(state: { sourceIdentity: string; resumeToken: Buffer; position: TrackedPosition }): void;
  saveToken(resumeToken: Buffer, position: TrackedPosition): void;
  /** null: what is known of the source may be incomplete until it is listed. */
  saveListedAt(time: ClusterTime | null): void;
  saveToList(isToList: boolean): void;
  saveStage(stage: IndexStage): void;
  addFlushed(documents: number): void;
  saveFinishedCutover(attempt: number): void;
  /** Writes something and takes it back: whether there is room again. @throws SQLite's errors */
  tryToWrite(): void;
  addHistoryLoss(): void;
  saveWork(hostChanges: number, isTakingOver: boolean): void;
  endTakingOver(): void;
  /** Forgets everything but {@link sent}, as if the file had just been made. */
  startAnew(): void;
  /** Runs `work` in one transaction; what it throws is thrown, and nothing of it is kept. */
  transaction<T>(work: () => T): T;
}

/**
 * Opens or makes the journal of a migration.
 * @throws {JournalError} if the file belongs to another migration or another version of Linkspan wrote it
 * @throws SQLite's errors, which {@link journalFault} makes readable
 */
export function openJournal(path: string, migrationId: string): Journal {
  const db = new DatabaseSync(path);
  try {
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON;');
    prepareSchema(db, path);
    return makeJournal(db, path, migrationId);
  } catch (error) {
    db.close();
    throw error;
  }
}

function prepareSchema(db: DatabaseSync, path: string): void {
  const version = Number(db.prepare('PRAGMA user_version').get()?.['user_version']);
  if (version === JOURNAL_VERSION) return;
  if (version !== 0) {
    const what =
      version > JOURNAL_VERSION
        ? 'run the newer agent that wrote it'
        : 'run the older agent that wrote it until the migration has ended, or remove the file (with its -wal and -shm): then all of it is copied and compared again';
    throw new JournalError(
      `the journal ${path} has version ${version}, this agent knows ${JOURNAL_VERSION}: ${what}`,
    );
  }
  db.exec(`BEGIN IMMEDIATE; ${JOURNAL_SCHEMA} PRAGMA user_version = ${JOURNAL_VERSION}; COMMIT;`);
}

function makeJournal(db: DatabaseSync, path: string, migrationId: string): Journal {
  const read = db.prepare('SELECT * FROM migration');
  const existing = read.get();
  if (existing !== undefined && existing['id'] !== migrationId) {
    throw new JournalError(
      `the journal ${path} belongs to the live migration ${String(existing['id'])}`,
    );
  }
  const update = (column: string): StatementSync =>
    db.prepare(`UPDATE migration SET ${column} = ?`);
  const insert = db.prepare(
    `INSERT INTO migration (id, source_identity, resume_token, tracked_to, tracked_through,
       tracking_since, stage) VALUES (?, ?, ?, ?, ?, ?, 'tail')`,
  );
  const token = db.prepare(
    'UPDATE migration SET resume_token = ?, tracked_to = ?, tracked_through = ?',
  );
  const listedAt = update('listed_at');
  const toList = update('to_list');
  const stage = update('stage');
  const finished = update('finished_cutover');
  const flushed = db.prepare('UPDATE migration SET documents_flushed = documents_flushed + ?');
  const lost = db.prepare('UPDATE migration SET history_losses = history_losses + 1');
  const saveWork = db.prepare('UPDATE migration SET host_changes = ?, taking_over = ?');
  const takenOver = db.prepare('UPDATE migration SET taking_over = 0');
  let depth = 0;

  const incarnations = openIncarnations(db);
  return {
    incarnations,
    pending: openPending(db),
    totals: openTotals(db, incarnations, LISTED_AT_MOST),
    ranges: openCopyRanges(db),
    dirty: openDirtyKeys(db),
    structural: openStructuralChanges(db),
    sent: openSentStructure(db),
    verifications: openVerifications(db),
    keysToVerify: openKeysToVerify(db),
    state() {
      const row = read.get();
      if (row === undefined) return null;
      return {
        sourceIdentity: String(row['source_identity']),
        resumeToken: Buffer.from(row['resume_token'] as Uint8Array),
        position: {
          time: decodeTime(String(row['tracked_to'])),
          through: row['tracked_through'] === 1,
        },
        trackingSince: decodeTime(String(row['tracking_since'])),
        listedAt: row['listed_at'] === null ? null : decodeTime(String(row['listed_at'])),
        isToList: row['to_list'] === 1,
        stage: row['stage'] as IndexStage,
        documentsFlushed: Number(row['documents_flushed']),
        finishedCutover: Number(row['finished_cutover']),
        historyLosses: Number(row['history_losses']),
        hostChanges: row['host_changes'] === null ? null : Number(row['host_changes']),
        isTakingOver: row['taking_over'] === 1,
      };
    },
    begin({ sourceIdentity, resumeToken, position }) {
      insert.run(
        migrationId,
        sourceIdentity,
        resumeToken,
        encodeTime(position.time),
        position.through ? 1 : 0,
        encodeTime(position.time),
      );
    },
    saveToken(resumeToken, position) {
      token.run(resumeToken, encodeTime(position.time), position.through ? 1 : 0);
    },
    saveListedAt: (time) => void listedAt.run(time === null ? null : encodeTime(time)),
    saveToList: (value) => void toList.run(value ? 1 : 0),
    saveStage: (value) => void stage.run(value),
    addFlushed: (documents) => void flushed.run(documents),
    saveFinishedCutover: (attempt) => void finished.run(attempt),
    tryToWrite() {
      db.exec('BEGIN IMMEDIATE');
      try {
        db.exec('CREATE TABLE room (bytes BLOB); INSERT INTO room VALUES (zeroblob(65536))');
        // Into the file: until then a write may fit into memory alone.
        db.exec('DROP TABLE room; COMMIT');
      } finally {
        if (db.isTransaction) db.exec('ROLLBACK');
      }
    },
    addHistoryLoss: () => void lost.run(),
    saveWork: (hostChanges, isTakingOver) => void saveWork.run(hostChanges, isTakingOver ? 1 : 0),
    endTakingOver: () => void takenOver.run(),
    startAnew() {
      this.transaction(() => {
        db.exec('DELETE FROM migration');
        incarnations.removeAll();
      });
    },
    transaction(work) {
      if (depth > 0) return work();
      db.exec('BEGIN IMMEDIATE');
      depth += 1;
      try {
        const result = work();
        db.exec('COMMIT');
        return result;
      } catch (error) {
        // A full disk makes SQLite end the transaction by itself.
        if (db.isTransaction) db.exec('ROLLBACK');
        throw error;
      } finally {
        depth -= 1;
      }
    },
    [Symbol.dispose]() {
      db.close();
    },
  };
}
