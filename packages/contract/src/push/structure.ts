import type { Document } from 'bson';

/**
 * `POST /sessions/{id}/structure`: one BSON document, because options and index specifications hold
 * values (regular expressions, decimals, int32 against double) that JSON would change. It has the fields
 * of {@link StructureNumber}, too. Answered with `StructureReply`.
 */
export type StructureRequest =
  | ReconcileCollection
  | ReconcileView
  | DropNamespace
  | RenameNamespace;

/**
 * Which one of a session a `structure` or `structures` is (rule D13). Agents of version 2 send none: what
 * they send is carried out whenever it comes.
 */
export interface StructureNumber {
  /** Has one of them under way at most; not a lane of documents. */
  readonly lane: number;
  /**
   * Counts those of the lane from 1. The same number again is the same one again, and is answered as the
   * first time; a smaller one is refused: it comes late, when the name may be another collection's.
   */
  readonly seq: number;
  /**
   * Counts all of the session from 1, and is in the agent's journal, for good, before the request is sent.
   * The largest one that was carried out is told to whoever opens a session. Absent where there is no journal.
   */
  readonly number?: number;
}

/** What an agent says of what it has at the destination already. */
export interface KnownToJournal {
  /**
   * The agent's journal says that this migration has made it. A collection that is not there any more is
   * not made then, but refused with NAMESPACE_GONE: what it held has to be copied again. A server whose store
   * was restored from a backup, and may have forgotten it, believes that it is the migration's (rule D11).
   * Absent before version 3, and where the agent does not know.
   */
  readonly made?: boolean;
}

/**
 * Makes a collection equal to what is said here: creates it, alters what `collMod` can alter,
 * builds missing indexes, drops others. `indexes` is the whole list without `_id_`; an index the
 * agent does not want yet is left out of it.
 */
export interface ReconcileCollection extends KnownToJournal {
  readonly action: 'collection';
  readonly db: string;
  readonly coll: string;
  /** `options` of listCollections. */
  readonly options: Document;
  /** Specifications of listIndexes, in its order. */
  readonly indexes: readonly Document[];
  /**
   * A time series of which buckets will be pushed: refused where the destination keeps none (rule D20).
   * Absent before version 3, and for collections whose documents are pushed.
   */
  readonly buckets?: boolean;
}

/** Creates a view, or gives it another pipeline. */
export interface ReconcileView extends KnownToJournal {
  readonly action: 'view';
  readonly db: string;
  readonly coll: string;
  /** `options` of listCollections: viewOn, pipeline, collation. */
  readonly options: Document;
}

/** One that says how something is to be, and can be repeated in any order with others. */
export type ReconcileRequest = ReconcileCollection | ReconcileView;

/**
 * One kind of option or index that the source has, with where: what a validation asks of the destination
 * (`samples` of its report, each one BSON document in base64).
 */
export type StructureSample = {
  /** Some of those that have it, for messages. */
  readonly of: readonly string[];
  /** How many have it. */
  readonly count: number;
} & SampledStructure;

/** One of `options` that belong together, of listCollections; a specification; a view. */
export type SampledStructure =
  | { readonly options: Document; readonly buckets?: true }
  | { readonly index: Document }
  | { readonly view: Document };

/** Samples of one validation at most, and bytes of each before base64. */
export const MAX_SAMPLES = 200;
export const MAX_SAMPLE_BYTES = 64 * 1024;

/** Requests of one `structures` at most. */
export const MAX_STRUCTURES = 1000;

/**
 * `POST /sessions/{id}/structures`: one BSON document, for sources with very many collections. It has the
 * fields of {@link StructureNumber}, too. Answered with `StructuresReply`, which says of each by itself what
 * came of it.
 */
export interface StructuresRequest {
  readonly requests: readonly ReconcileRequest[];
}

/** Drops a collection or view that this migration created; one that is not there is no error. */
export interface DropNamespace extends KnownToJournal {
  readonly action: 'drop';
  readonly db: string;
  readonly coll: string;
}

/** Renames a collection that this migration created. One already renamed is no error. */
export interface RenameNamespace extends KnownToJournal {
  readonly action: 'rename';
  readonly db: string;
  readonly coll: string;
  readonly toDb: string;
  readonly toColl: string;
}

/**
 * `POST /sessions/{id}/listing`: a BSON document, empty or `{namesOnly: true}`, with which options and
 * indexes are left empty, or `{counted: true}`, with which documents are counted. The reply is one BSON document of this shape: every namespace that the
 * migration created and that the destination holds now (rule D5).
 */
export interface DestinationListing {
  readonly namespaces: readonly {
    readonly db: string;
    readonly coll: string;
    readonly type: 'collection' | 'view';
    /** A time series that is kept in buckets; absent before version 3. */
    readonly buckets?: true;
    /** By the server's own bookkeeping, where it was asked for and is known. */
    readonly documents?: number;
    readonly options: Document;
    readonly indexes: readonly Document[];
  }[];
}
