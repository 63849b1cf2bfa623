import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Namespace } from '@linkspan/contract/push/namespaces.ts';

/** How far one collection is verified. */
export interface Verification {
  /** A later one is another: what was read for this walk does not count for that. */
  readonly walk: number;
  /** Raw key up to which both sides were compared; null before the first. */
  readonly position: Buffer | null;
  readonly done: boolean;
  /** Of the source, compared on the way. */
  readonly documents: number;
  /** Keys that differed, and those of them that are equal now. */
  readonly found: number;
  readonly repaired: number;
}

/** A collection with how far it is verified. */
export interface VerifiedCollection extends Omit<Verification, 'walk' | 'position'> {
  readonly db: string;
  readonly coll: string;
}

export interface VerificationTotals {
  readonly collections: number;
  readonly collectionsDone: number;
  readonly documents: number;
  /** What there is to compare, as far as it is known. */
  readonly documentsTotal: number;
  readonly found: number;
  readonly repaired: number;
}

/** Numbers of the last verification and the last repair that were asked for; 0 if none. */
export interface Wanted {
  readonly verify: number;
  readonly repair: number;
}

/** Changes may have been missed, or somebody wants it. */
export type RepairReason = 'HISTORY_LOST' | 'HOST_REPLACED' | 'REQUESTED';

/** The verification under way, or the last one. */
export interface VerificationRun {
  /** Milliseconds since 1970, by this machine's clock; null before. */
  readonly begun: number | null;
  readonly ended: number | null;
  /** Why it is a repair, or null. */
  readonly repair: RepairReason | null;
  /** Keys compared by themselves, since it began. */
  readonly keysCompared: number;
  /** The last that were begun. */
  readonly taken: Wanted;
}

/** The comparison of whole collections (rule D19); keys by themselves are in `keysToVerify.ts`. */
export interface Verifications {
  /** Begins it, or goes on with it. From now on keys that are pushed are to be compared again. */
  begin(incarnation: number): Verification;
  of(incarnation: number): Verification | undefined;
  /** @returns false if that walk is not the one under way any more */
  advance(incarnation: number, walk: number, position: Buffer | null, documents: number): boolean;
  finish(incarnation: number, walk: number): void;
  addFound(incarnation: number): void;
  addRepaired(incarnation: number): void;
  /**
   * From the first document again, with the keys that were pushed since. What was found stays counted.
   * @param when later: not before {@link wake}, and until then no pushed key is noted
   */
  restart(incarnation: number, when?: 'now' | 'later'): void;
  /** Collections that are to be walked again later. */
  resting(): number[];
  wake(incarnation: number): void;
  /** Collections whose comparison has begun and from which documents are deleted by a TTL. */
  expiring(): number[];
  /** Collections to be repaired that are compared, and whose suspects are decided. */
  repaired(): { id: number; source: Namespace }[];
  /** All collections are compared, and nothing is known to differ. Keys pushed since may be left. */
  isComplete(withCapped: boolean): boolean;
  clear(incarnation: number): void;
  /**
   * Nothing counts as verified any more; a new verification begins.
   * @param repair why it is a repair, before whose end no cutover is offered; null: it is none
   */
  again(repair: RepairReason | null): void;
  /**
   * Collections to go on with: those to be repaired first, then those that were begun. One with a TTL
   * has to wait until that is inert at the destination.
   * @param withCapped the order of capped ones, which only is the same once nothing changes; without,
   *   only of those to be repaired
   */
  next(limit: number, withCapped: boolean): number[];
  /** True while a collection is still to be copied. */
  isCopying(): boolean;
  totals(): VerificationTotals;
  /** Those with differences first, then those that are not done. */
  list(limit: number): VerifiedCollection[];
  run(): VerificationRun;
  /** Grows with each change. */
  readonly revision: number;
  noteBegun(): void;
  noteEnded(): void;
  addKeysCompared(keys: number): void;
  saveTaken(wanted: Wanted): void;
}

/** Collections that are migrated, with what is known of their verification. */
const COLLECTIONS = `incarnation i LEFT JOIN verification v ON v.incarnation = i.id
   WHERE i.type = 'collection' AND i.unsupported IS NULL AND i.state <> 'ENDED'`;

export function openVerifications(db: DatabaseSync): Verifications {
  const begin = db.prepare(
    `INSERT INTO verification (incarnation, walk) VALUES (?, ?) ON CONFLICT DO NOTHING`,
  );
  const select = db.prepare('SELECT * FROM verification WHERE incarnation = ?');
  const advance = db.prepare(
    `UPDATE verification SET position = coalesce(?, position), documents = documents + ?
     WHERE incarnation = ? AND walk = ?`,
  );
  const finish = db.prepare('UPDATE verification SET done = 1 WHERE incarnation = ? AND walk = ?');
  const found = db.prepare('UPDATE verification SET found = found + 1 WHERE incarnation = ?');
  const repaired = db.prepare(
    'UPDATE verification SET repaired = repaired + 1 WHERE incarnation = ?',
  );
  const restart = db.prepare(
    `UPDATE verification SET walk = ?, position = NULL, done = 0, documents = 0, rests = ?
     WHERE incarnation = ?`,
  );
  const resting = db.prepare('SELECT incarnation AS id FROM verification WHERE rests = 1');
  const wake = db.prepare('UPDATE verification SET rests = 0 WHERE incarnation = ?');
  const forgetPushed = db.prepare(
    'DELETE FROM key_to_verify WHERE incarnation = ? AND suspected = 0 AND differed = 0',
  );
  const expiring = db.prepare(
    `SELECT i.id FROM incarnation i JOIN verification v ON v.incarnation = i.id WHERE i.expires = 1`,
  );
  const repairs = db.prepare(
    `SELECT i.id, i.db, i.coll FROM incarnation i JOIN verification v ON v.incarnation = i.id
     WHERE i.to_repair = 1 AND v.done = 1 AND NOT EXISTS (
       SELECT 1 FROM key_to_verify k WHERE k.incarnation = i.id AND k.suspected = 1)`,
  );
  const incomplete = db.prepare(
    `SELECT 1 WHERE EXISTS (SELECT 1 FROM ${COLLECTIONS} AND coalesce(v.done, 0) = 0
         AND (?1 OR i.capped IS NULL))
       OR EXISTS (SELECT 1 FROM key_to_verify WHERE suspected = 1 OR differed > 0)`,
  );
  const clear = db.prepare('DELETE FROM verification WHERE incarnation = ?');
  const next = db.prepare(
    `SELECT i.id FROM ${COLLECTIONS} AND i.state = 'COPIED' AND i.dest_db IS NOT NULL
       AND coalesce(v.done, 0) = 0 AND coalesce(v.rests, 0) = 0
       AND (i.expires = 0 OR i.to_reconcile = 0)
       AND (?2 OR i.capped IS NULL OR i.to_repair = 1)
       AND NOT EXISTS (SELECT 1 FROM structural_change s WHERE s.incarnation = i.id)
     ORDER BY i.to_repair DESC, v.incarnation IS NULL, i.id LIMIT ?1`,
  );
  const copying = db.prepare(
    `SELECT 1 FROM incarnation WHERE state IN ('PENDING', 'COPYING') AND type = 'collection'
       AND unsupported IS NULL LIMIT 1`,
  );
  const totals = db.prepare(
    `SELECT count(*) AS collections, coalesce(sum(v.done), 0) AS done,
       coalesce(sum(v.documents), 0) AS documents,
       coalesce(sum(CASE WHEN v.done THEN v.documents
         ELSE max(i.documents_total, i.documents_copied, coalesce(v.documents, 0)) END), 0) AS total,
       coalesce(sum(v.found), 0) AS found, coalesce(sum(v.repaired), 0) AS repaired
     FROM ${COLLECTIONS}`,
  );
  const list = db.prepare(
    `SELECT i.db, i.coll, coalesce(v.done, 0) AS done, coalesce(v.documents, 0) AS documents,
       coalesce(v.found, 0) AS found, coalesce(v.repaired, 0) AS repaired
     FROM ${COLLECTIONS} ORDER BY coalesce(v.found, 0) DESC, done, i.db, i.coll LIMIT ?`,
  );
  const again = db.prepare(
    `UPDATE migration SET verification_begun = ?, verification_ended = NULL, keys_compared = 0,
       repair_reason = ?`,
  );
  const run = db.prepare('SELECT * FROM migration');
  const begun = db.prepare(
    'UPDATE migration SET verification_begun = coalesce(verification_begun, ?)',
  );
  const ended = db.prepare(
    'UPDATE migration SET verification_ended = coalesce(verification_ended, ?)',
  );
  const compared = db.prepare('UPDATE migration SET keys_compared = keys_compared + ?');
  const taken = db.prepare('UPDATE migration SET taken_verify = ?, taken_repair = ?');
  let revision = 0;
  const change = (statement: StatementSync, ...values: number[]): void => {
    revision += 1;
    statement.run(...values);
  };
  let walk = Number(db.prepare('SELECT max(walk) AS n FROM verification').get()?.['n'] ?? 0);
  const of = (incarnation: number): Verification | undefined => {
    const row = select.get(incarnation);
    if (row === undefined) return undefined;
    const { position } = row;
    return {
      walk: Number(row['walk']),
      position: position instanceof Uint8Array ? Buffer.from(position) : null,
      done: row['done'] === 1,
      documents: Number(row['documents']),
      found: Number(row['found']),
      repaired: Number(row['repaired']),
    };
  };

  return {
    of,
    get revision() {
      return revision;
    },
    begin(incarnation) {
      revision += 1;
      walk += 1;
      begin.run(incarnation, walk);
      return of(incarnation) as Verification;
    },
    advance(incarnation, number, position, documents) {
      revision += 1;
      return Number(advance.run(position, documents, incarnation, number).changes) > 0;
    },
    finish: (incarnation, number) => change(finish, incarnation, number),
    addFound: (incarnation) => change(found, incarnation),
    addRepaired: (incarnation) => change(repaired, incarnation),
    resting: () => resting.all().map((row) => Number(row['id'])),
    wake: (incarnation) => change(wake, incarnation),
    restart(incarnation, when = 'now') {
      revision += 1;
      walk += 1;
      restart.run(walk, when === 'later' ? 1 : 0, incarnation);
      forgetPushed.run(incarnation);
    },
    expiring: () => expiring.all().map((row) => Number(row['id'])),
    repaired: () =>
      repairs.all().map((row) => ({
        id: Number(row['id']),
        source: { db: String(row['db']), coll: String(row['coll']) },
      })),
    isComplete: (withCapped) => incomplete.get(withCapped ? 1 : 0) === undefined,
    clear: (incarnation) => change(clear, incarnation),
    again(repair) {
      revision += 1;
      db.exec('DELETE FROM verification; DELETE FROM key_to_verify;');
      again.run(Date.now(), repair);
    },
    next: (limit, withCapped) =>
      next.all(limit, withCapped ? 1 : 0).map((row) => Number(row['id'])),
    isCopying: () => copying.get() !== undefined,
    totals() {
      const row = totals.get() ?? {};
      return {
        collections: Number(row['collections']),
        collectionsDone: Number(row['done']),
        documents: Number(row['documents']),
        documentsTotal: Number(row['total']),
        found: Number(row['found']),
        repaired: Number(row['repaired']),
      };
    },
    list: (limit) =>
      list.all(limit).map((row) => ({
        db: String(row['db']),
        coll: String(row['coll']),
        done: row['done'] === 1,
        documents: Number(row['documents']),
        found: Number(row['found']),
        repaired: Number(row['repaired']),
      })),
    run() {
      const row = run.get() ?? {};
      const time = (value: unknown): number | null => (typeof value === 'number' ? value : null);
      return {
        begun: time(row['verification_begun']),
        ended: time(row['verification_ended']),
        repair: (row['repair_reason'] ?? null) as RepairReason | null,
        keysCompared: Number(row['keys_compared'] ?? 0),
        taken: {
          verify: Number(row['taken_verify'] ?? 0),
          repair: Number(row['taken_repair'] ?? 0),
        },
      };
    },
    noteBegun: () => void begun.run(Date.now()),
    noteEnded: () => void ended.run(Date.now()),
    addKeysCompared: (keys) => void compared.run(keys),
    saveTaken: ({ verify, repair }) => void taken.run(verify, repair),
  };
}
