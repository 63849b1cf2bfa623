import { DIFFERED_AT_MOST } from './keysToVerify.ts';

/**
 * The journal of one migration: one SQLite file, the only state that the engine keeps.
 *
 * `synchronous=NORMAL` with a write-ahead log: kill -9 loses nothing; a power cut may lose the last
 * transactions, all of them after some point in time. As far as documents go, an older journal is a valid
 * one: its resume token is older too, so what was lost is tracked, read and pushed again. Drops and renames
 * that it repeats would meet what was made since. So all is synced before each structural request is sent,
 * and a journal that was put back from earlier than the last one is begun anew: see `sentStructure.ts`.
 */
export const JOURNAL_VERSION = 3;

export const JOURNAL_SCHEMA = `
-- One row. Times of the source ("cluster times") are 16 hex digits: seconds, then increment.
CREATE TABLE migration (
  id TEXT PRIMARY KEY,
  source_identity TEXT NOT NULL,
  resume_token BLOB NOT NULL,          -- a BSON document
  tracked_to TEXT NOT NULL,            -- the stream has delivered everything before this time …
  tracked_through INTEGER NOT NULL,    -- … and, if 1, everything at it
  tracking_since TEXT NOT NULL,
  listed_at TEXT,                      -- end of the last full listing; NULL before the first
  to_list INTEGER NOT NULL DEFAULT 0,  -- an event that says too little came since: list it again
  stage TEXT NOT NULL,                 -- which indexes the destination has now: see indexes.ts
  documents_flushed INTEGER NOT NULL DEFAULT 0,
  finished_cutover INTEGER NOT NULL DEFAULT 0,
  history_losses INTEGER NOT NULL DEFAULT 0,
  host_changes INTEGER,                -- how often the migration had changed its host; NULL before a session
  taking_over INTEGER NOT NULL DEFAULT 0, -- what the destination holds is still to be taken over
  taken_verify INTEGER NOT NULL DEFAULT 0,  -- the last wanted verification and repair that were begun
  taken_repair INTEGER NOT NULL DEFAULT 0,
  verification_begun INTEGER,          -- of the verification under way or done, in ms since 1970
  verification_ended INTEGER,
  repair_reason TEXT,                  -- HISTORY_LOST | HOST_REPLACED | REQUESTED; NULL: it is no repair
  keys_compared INTEGER NOT NULL DEFAULT 0  -- by themselves, since it began
);

-- One life of a collection or view, from create to drop, across renames (rule D2).
CREATE TABLE incarnation (
  id INTEGER PRIMARY KEY,
  db TEXT NOT NULL,                    -- its name at the source, as tracked
  coll TEXT NOT NULL,
  type TEXT NOT NULL,                  -- collection | view
  uuid BLOB,                           -- NULL where not known for sure
  known_since TEXT NOT NULL,           -- events on its name up to this time are older lives' or are reflected
  state TEXT NOT NULL,                 -- PENDING | COPYING | COPIED | ENDED
  collated INTEGER NOT NULL DEFAULT 0,
  expires INTEGER NOT NULL DEFAULT 0,  -- the source deletes from it by itself: it has a TTL
  capped TEXT,                         -- what caps it, <bytes>/<documents>, or NULL
  buckets INTEGER NOT NULL DEFAULT 0,  -- a time series, moved as its buckets, which no event names (rule D20)
  unsupported TEXT,                    -- why it cannot be moved, or NULL
  to_reconcile INTEGER NOT NULL,       -- its structure may differ from the source's
  to_repair INTEGER NOT NULL DEFAULT 0,-- changes were missed: compare all of it
  to_recopy INTEGER NOT NULL DEFAULT 0,-- to be dropped, made and copied again (rule D12)
  dest_db TEXT,                        -- its name at the destination; NULL while not created there
  dest_coll TEXT,
  documents_total INTEGER NOT NULL DEFAULT 0,
  bytes_total INTEGER NOT NULL DEFAULT 0,
  measured INTEGER,                    -- totals are the source's: 1; it did not say: 0; not asked: NULL
  documents_copied INTEGER NOT NULL DEFAULT 0,
  bytes_copied INTEGER NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX incarnation_name ON incarnation (db, coll) WHERE state <> 'ENDED';
CREATE INDEX incarnation_uuid ON incarnation (uuid) WHERE uuid IS NOT NULL;
-- What the steps look for: with many collections, few rows are in these at a time.
CREATE INDEX incarnation_to_reconcile ON incarnation (id) WHERE to_reconcile = 1;
CREATE INDEX incarnation_to_repair ON incarnation (id) WHERE to_repair = 1;
CREATE INDEX incarnation_uncopied ON incarnation (id) WHERE state IN ('PENDING', 'COPYING');
CREATE INDEX incarnation_buckets ON incarnation (id) WHERE buckets = 1;
CREATE INDEX incarnation_to_copy ON incarnation (state, bytes_total DESC)
  WHERE state IN ('PENDING', 'COPYING') AND type = 'collection' AND dest_db IS NOT NULL
    AND unsupported IS NULL;
CREATE INDEX incarnation_to_measure ON incarnation (state)
  WHERE state IN ('PENDING', 'COPYING') AND type = 'collection' AND measured IS NULL
    AND unsupported IS NULL;
CREATE INDEX incarnation_unsupported ON incarnation (id) WHERE unsupported IS NOT NULL;
CREATE INDEX incarnation_not_created ON incarnation (id) WHERE dest_db IS NULL;
CREATE INDEX incarnation_destination ON incarnation (dest_db, dest_coll);

CREATE TABLE copy_range (
  incarnation INTEGER NOT NULL REFERENCES incarnation (id) ON DELETE CASCADE,
  number INTEGER NOT NULL,
  lower BLOB,                          -- inclusive; NULL: from the first
  upper BLOB,                          -- exclusive; NULL: to the last
  position BLOB,                       -- key of the last document up to which all were acknowledged
  done INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (incarnation, number)
) WITHOUT ROWID;

-- Keys that changed at the source and are not known to be equal at the destination (rule D3).
CREATE TABLE dirty_key (
  incarnation INTEGER NOT NULL REFERENCES incarnation (id) ON DELETE CASCADE,
  comparable BLOB NOT NULL,            -- the key as MongoDB compares it
  document_key BLOB NOT NULL,          -- the key as the source last named it
  operation TEXT NOT NULL,             -- w: written, d: deleted
  recreate INTEGER NOT NULL,           -- 1: the key's bytes changed while its value did not (rule D15)
  sequence INTEGER NOT NULL,           -- of the last mark
  ordinal INTEGER,                     -- its place among the insertions into a capped collection; else NULL
  lane INTEGER NOT NULL,
  marked_at TEXT NOT NULL,             -- cluster time of the last mark
  behind_since TEXT NOT NULL,          -- what the destination holds of it is older than this time
  PRIMARY KEY (incarnation, comparable)
) WITHOUT ROWID;
CREATE INDEX dirty_key_order ON dirty_key (lane, incarnation, sequence);
CREATE INDEX dirty_key_insertion ON dirty_key (incarnation, ordinal) WHERE ordinal IS NOT NULL;
CREATE INDEX dirty_key_age ON dirty_key (behind_since);

-- How far the comparison of a collection with the destination has come (rule D19); none before it began.
CREATE TABLE verification (
  incarnation INTEGER PRIMARY KEY REFERENCES incarnation (id) ON DELETE CASCADE,
  walk INTEGER NOT NULL,               -- tells one walk from the one that took its place
  position BLOB,                       -- key up to which both sides were compared; NULL: none yet
  done INTEGER NOT NULL DEFAULT 0,
  rests INTEGER NOT NULL DEFAULT 0,    -- 1: to be walked again, later; until then no pushed key is noted
  documents INTEGER NOT NULL DEFAULT 0,-- compared on the way
  found INTEGER NOT NULL DEFAULT 0,    -- keys that differed …
  repaired INTEGER NOT NULL DEFAULT 0  -- … and those of them that are equal now
);

-- Keys to be compared by themselves: pushed since the comparison of their collection began, or seen to
-- differ by it.
CREATE TABLE key_to_verify (
  incarnation INTEGER NOT NULL REFERENCES incarnation (id) ON DELETE CASCADE,
  comparable BLOB NOT NULL,
  document_key BLOB NOT NULL,
  sequence INTEGER NOT NULL,           -- of its last push
  suspected INTEGER NOT NULL,          -- 1: the walk saw it differ
  differed INTEGER NOT NULL DEFAULT 0, -- how often in a row it did, compared by itself
  PRIMARY KEY (incarnation, comparable)
) WITHOUT ROWID;
CREATE INDEX key_to_verify_order ON key_to_verify (incarnation, sequence);
CREATE INDEX key_to_verify_stuck ON key_to_verify (differed) WHERE differed >= ${DIFFERED_AT_MOST};

-- One row. The structural request that was sent last, or was to be (rule D11).
CREATE TABLE sent_structure (
  epoch INTEGER NOT NULL,              -- of the newest push session
  number INTEGER NOT NULL,             -- counts the requests of that session
  syncs INTEGER NOT NULL               -- grows where nothing else is to be written
);

-- Drops and renames, to be repeated at the destination in their order (rules D2, D16).
CREATE TABLE structural_change (
  sequence INTEGER PRIMARY KEY,
  token BLOB UNIQUE,                   -- the event's resume token; NULL where a listing found it
  kind TEXT NOT NULL,                  -- drop | rename
  incarnation INTEGER NOT NULL REFERENCES incarnation (id),
  to_db TEXT,
  to_coll TEXT,
  behind_since TEXT NOT NULL           -- what the destination holds is older than this time
);
CREATE INDEX structural_change_incarnation ON structural_change (incarnation);
`;
