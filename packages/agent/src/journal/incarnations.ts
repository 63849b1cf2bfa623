import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { Namespace } from '@linkspan/contract/push/namespaces.ts';
import { type ClusterTime, decodeTime, encodeTime } from './clusterTime.ts';

export type CopyState = 'PENDING' | 'COPYING' | 'COPIED' | 'ENDED';

/** One life of a collection or view, from create to drop, across renames (rule D2). */
export interface Incarnation {
  readonly id: number;
  /** Its name at the source, as far as the stream has been read. */
  readonly source: Namespace;
  readonly type: 'collection' | 'view';
  /** Hex, or null where it is not known for sure. */
  readonly uuid: string | null;
  /** What happened to its name up to this time is reflected in it. */
  readonly knownSince: ClusterTime;
  readonly state: CopyState;
  /** It has a collation: strings that differ may be one key. */
  readonly collated: boolean;
  /** The source itself deletes from it: it has a TTL. */
  readonly expires: boolean;
  /** What caps it (`capOf`), or null: then its documents have no order that is kept (rule D12). */
  readonly capped: string | null;
  /** A time series that is moved as its buckets: no event tells of them (rule D20). */
  readonly buckets: boolean;
  /** Why it cannot be moved, in words, or null. */
  readonly unsupported: string | null;
  readonly toReconcile: boolean;
  readonly toRepair: boolean;
  /** It is at the destination, where it is to be dropped, made and copied again (rule D12). */
  readonly toRecopy: boolean;
  /** Its name at the destination, or null while it was not created there. */
  readonly destination: Namespace | null;
  readonly documentsTotal: number;
  readonly bytesTotal: number;
  /** Whether the totals are what the source said; null while it was not asked. */
  readonly measured: boolean | null;
  readonly documentsCopied: number;
  readonly bytesCopied: number;
}

/** Of {@link Incarnations.live}: the journal is written to between them. */
const ROWS_AT_ONCE = 500;

export type NewIncarnation = Pick<Incarnation, 'source' | 'type' | 'uuid' | 'knownSince'> & {
  /** COPIED where every document of it came after tracking began, so that events name them all. */
  readonly state: 'PENDING' | 'COPIED';
};

type Changes = Partial<Omit<Incarnation, 'id'>>;

export interface Incarnations {
  /** Its id is never given again while the journal is open. */
  add(incarnation: NewIncarnation): Incarnation;
  update(id: number, changes: Changes): void;
  get(id: number): Incarnation | undefined;
  /** The one that has this name at the source now. */
  byName(name: Namespace): Incarnation | undefined;
  byUuid(uuid: string): Incarnation | undefined;
  /** Those that have not ended, one at a time. */
  live(): Iterable<Incarnation>;
  /** Those of one database that have not ended. */
  liveIn(db: string): Incarnation[];
  /** All that have not ended may differ in structure; with `repair`, collections in content, too. */
  reconcileAll(options?: { readonly repair: boolean }): void;
  /** The same of those alone from which the source deletes by itself. */
  reconcileExpiring(): void;
  /** Grows with every change of any of them. */
  readonly revision: number;
  /**
   * Every name that one of them has at the destination, or gets by a rename that may have been
   * carried out; those included that have ended.
   */
  destinations(): Namespace[];
  /**
   * True if another than that one has the name at the destination, or gets it by a rename that is still to
   * be carried out; one that has ended included, while it is there.
   */
  isTaken(destination: Namespace, id: number): boolean;
  /** Forgets one that has ended and left nothing to do at the destination. */
  remove(id: number): void;
  /** Forgets all of them, with all that belongs to them. */
  removeAll(): void;
  addCopied(id: number, documents: number, bytes: number): void;
}

export function openIncarnations(db: DatabaseSync): Incarnations {
  const insert = db.prepare(
    `INSERT INTO incarnation (id, db, coll, type, uuid, known_since, state, to_reconcile)
     VALUES (?, ?, ?, ?, ?, ?, ?, 1)`,
  );
  // SQLite would give the id of the newest again once it is removed, while someone may still hold it.
  let lastId = Number(db.prepare('SELECT max(id) AS id FROM incarnation').get()?.['id'] ?? 0);
  const get = db.prepare('SELECT * FROM incarnation WHERE id = ?');
  const byName = db.prepare(
    `SELECT * FROM incarnation WHERE db = ? AND coll = ? AND state <> 'ENDED'`,
  );
  const byUuid = db.prepare(`SELECT * FROM incarnation WHERE uuid = ? AND state <> 'ENDED'`);
  const live = db.prepare(
    `SELECT * FROM incarnation WHERE state <> 'ENDED' AND id > ? ORDER BY id LIMIT ${ROWS_AT_ONCE}`,
  );
  const liveIn = db.prepare(`SELECT * FROM incarnation WHERE state <> 'ENDED' AND db = ?`);
  const reconcileAll = db.prepare(`UPDATE incarnation SET to_reconcile = 1 WHERE state <> 'ENDED'`);
  const reconcileExpiring = db.prepare(
    `UPDATE incarnation SET to_reconcile = 1 WHERE state <> 'ENDED' AND expires = 1`,
  );
  const repairAll = db.prepare(
    `UPDATE incarnation SET to_repair = 1 WHERE state <> 'ENDED' AND type = 'collection'`,
  );
  const updates = new Map<string, StatementSync>();
  let revision = 0;
  const destinations = db.prepare(
    `SELECT dest_db AS db, dest_coll AS coll FROM incarnation WHERE dest_db IS NOT NULL
     UNION SELECT to_db, to_coll FROM structural_change WHERE to_db IS NOT NULL`,
  );
  const taken = db.prepare(
    `SELECT 1 FROM incarnation WHERE dest_db = ?1 AND dest_coll = ?2 AND id <> ?3
     UNION ALL
     SELECT 1 FROM structural_change WHERE to_db = ?1 AND to_coll = ?2 AND incarnation <> ?3 LIMIT 1`,
  );
  const remove = db.prepare('DELETE FROM incarnation WHERE id = ?');
  const addCopied = db.prepare(
    `UPDATE incarnation SET documents_copied = documents_copied + ?,
       bytes_copied = bytes_copied + ? WHERE id = ?`,
  );
  const one = (row: Row | undefined): Incarnation | undefined =>
    row === undefined ? undefined : decode(row);

  const incarnations: Incarnations = {
    add({ source, type, uuid, knownSince, state }) {
      lastId += 1;
      revision += 1;
      insert.run(
        lastId,
        source.db,
        source.coll,
        type,
        uuid === null ? null : Buffer.from(uuid, 'hex'),
        encodeTime(knownSince),
        state,
      );
      return decode(get.get(lastId) as Row);
    },
    update(id, changes) {
      const columns = encode(changes);
      const names = Object.keys(columns);
      if (names.length === 0) return;
      const assignments = names.map((name) => `${name} = ?`).join(', ');
      const update =
        updates.get(assignments) ??
        db.prepare(`UPDATE incarnation SET ${assignments} WHERE id = ?`);
      updates.set(assignments, update);
      update.run(...Object.values(columns), id);
      revision += 1;
    },
    get: (id) => one(get.get(id)),
    byName: (name) => one(byName.get(name.db, name.coll)),
    byUuid: (uuid) => one(byUuid.get(Buffer.from(uuid, 'hex'))),
    *live() {
      let rows: Row[] = [];
      do {
        rows = live.all(Number(rows.at(-1)?.['id'] ?? 0));
        for (const row of rows) yield decode(row);
      } while (rows.length === ROWS_AT_ONCE);
    },
    liveIn: (name) => liveIn.all(name).map(decode),
    reconcileAll({ repair } = { repair: false }) {
      reconcileAll.run();
      if (repair) repairAll.run();
      revision += 1;
    },
    reconcileExpiring() {
      reconcileExpiring.run();
      revision += 1;
    },
    get revision() {
      return revision;
    },
    destinations: () =>
      destinations.all().map((row) => ({ db: String(row['db']), coll: String(row['coll']) })),
    isTaken: (name, id) => taken.get(name.db, name.coll, id) !== undefined,
    remove(id) {
      remove.run(id);
      revision += 1;
    },
    removeAll() {
      db.exec('DELETE FROM structural_change; DELETE FROM incarnation;');
      revision += 1;
    },
    addCopied(id, documents, bytes) {
      addCopied.run(documents, bytes, id);
      revision += 1;
    },
  };
  return incarnations;
}

export type Row = Record<string, null | number | bigint | string | Uint8Array>;

export function decode(row: Row): Incarnation {
  const namespace = (db: unknown, coll: unknown): Namespace => ({
    db: String(db),
    coll: String(coll),
  });
  const uuid = row['uuid'];
  return {
    id: Number(row['id']),
    source: namespace(row['db'], row['coll']),
    type: row['type'] as Incarnation['type'],
    uuid: uuid instanceof Uint8Array ? Buffer.from(uuid).toString('hex') : null,
    knownSince: decodeTime(String(row['known_since'])),
    state: row['state'] as CopyState,
    collated: row['collated'] === 1,
    expires: row['expires'] === 1,
    capped: row['capped'] === null ? null : String(row['capped']),
    buckets: row['buckets'] === 1,
    unsupported: row['unsupported'] === null ? null : String(row['unsupported']),
    toReconcile: row['to_reconcile'] === 1,
    toRepair: row['to_repair'] === 1,
    toRecopy: row['to_recopy'] === 1,
    destination: row['dest_db'] === null ? null : namespace(row['dest_db'], row['dest_coll']),
    documentsTotal: Number(row['documents_total']),
    bytesTotal: Number(row['bytes_total']),
    measured: row['measured'] === null ? null : row['measured'] === 1,
    documentsCopied: Number(row['documents_copied']),
    bytesCopied: Number(row['bytes_copied']),
  };
}

type Column = null | number | string | Uint8Array;

function encode(changes: Changes): Record<string, Column> {
  const columns: Record<string, Column> = {};
  const flag = (name: string, value: boolean | undefined): void => {
    if (value !== undefined) columns[name] = value ? 1 : 0;
  };
  const plain = (name: string, value: number | string | null | undefined): void => {
    if (value !== undefined) columns[name] = value;
  };
  if (changes.source !== undefined) {
    columns['db'] = changes.source.db;
    columns['coll'] = changes.source.coll;
  }
  if (changes.destination !== undefined) {
    columns['dest_db'] = changes.destination?.db ?? null;
    columns['dest_coll'] = changes.destination?.coll ?? null;
  }
  if (changes.uuid !== undefined) {
    columns['uuid'] = changes.uuid === null ? null : Buffer.from(changes.uuid, 'hex');
  }
  if (changes.knownSince !== undefined) columns['known_since'] = encodeTime(changes.knownSince);
  plain('type', changes.type);
  plain('state', changes.state);
  plain('capped', changes.capped);
  plain('unsupported', changes.unsupported);
  flag('collated', changes.collated);
  flag('buckets', changes.buckets);
  flag('expires', changes.expires);
  flag('to_reconcile', changes.toReconcile);
  flag('to_repair', changes.toRepair);
  flag('to_recopy', changes.toRecopy);
  plain('documents_total', changes.documentsTotal);
  plain('bytes_total', changes.bytesTotal);
  if (changes.measured !== undefined && changes.measured !== null) {
    flag('measured', changes.measured);
  }
  plain('documents_copied', changes.documentsCopied);
  plain('bytes_copied', changes.bytesCopied);
  return columns;
}
