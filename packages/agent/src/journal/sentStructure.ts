import type { DatabaseSync, StatementSync } from 'node:sqlite';

/** A structural request: of which push session, and which one in it; 0 before the first. */
export interface StructureNumber {
  readonly epoch: number;
  readonly number: number;
}

/**
 * How far this journal has got with structural requests. The server knows which one it carried out last: a
 * journal that has not counted that far is an older copy of the one that did, and would repeat drops and
 * renames over what was made since (rules D2, D11). So each is counted, for good, before it is sent.
 */
export interface SentStructure {
  /** null before the first session. */
  last(): StructureNumber | null;
  /** A session was opened: its requests are counted from 1. Outlives a power cut. */
  enter(epoch: number): void;
  /**
   * The number of the next request of the session. Once it is returned, it outlives a power cut, and so does
   * everything that was written before: what one request has changed is known for good before the next.
   */
  next(): number;
  /** Everything that was written so far outlives a power cut. */
  sync(): void;
}

export function openSentStructure(db: DatabaseSync): SentStructure {
  const read = db.prepare('SELECT epoch, number FROM sent_structure');
  const insert = db.prepare(
    'INSERT INTO sent_structure (epoch, number, syncs) SELECT 0, 0, 0 WHERE NOT EXISTS (SELECT 1 FROM sent_structure)',
  );
  const enter = db.prepare('UPDATE sent_structure SET epoch = ?, number = 0, syncs = syncs + 1');
  const next = db.prepare('UPDATE sent_structure SET number = number + 1');
  // What does not change is not written, and what is not written is not synced.
  const sync = db.prepare('UPDATE sent_structure SET syncs = syncs + 1');

  const last = (): StructureNumber | null => {
    const row = read.get();
    if (row === undefined) return null;
    return { epoch: Number(row['epoch']), number: Number(row['number']) };
  };
  /** The write-ahead log is synced with the commit, up to its end. */
  const durably = (statement: StatementSync, ...values: number[]): void => {
    db.exec('PRAGMA synchronous = FULL');
    try {
      statement.run(...values);
    } finally {
      db.exec('PRAGMA synchronous = NORMAL');
    }
  };

  return {
    last,
    enter(epoch) {
      insert.run();
      durably(enter, epoch);
    },
    next() {
      durably(next);
      return last()?.number ?? 0;
    },
    sync: () => durably(sync),
  };
}
