import {
  BsonType,
  composeArray,
  composeDocument,
  elementsOf,
  keyOf,
} from '@linkspan/contract/bson/raw.ts';

/** The largest statement: documents may have 16 MiB, and so may what carries one to the server. */
export const MAX_STATEMENT_BYTES = 16 * 1024 * 1024;

/** Limits of one command at every server since 3.6, less room for the rest of the message. */
const MAX_MESSAGE_BYTES = 47_000_000;
const MAX_STATEMENTS = 100_000;

const EIGHT_ZEROS = Buffer.alloc(8);
const DOLLAR = 0x24;

/**
 * What a document has at its top level that a server does not take as it is in every command
 * (rule D15):
 * - `dollar`: a field name with a leading `$`, which a replacement would read as an operator;
 * - `emptyTimestamp`: a timestamp of zero outside of `_id`, which insert and replace fill with the
 *   server's time.
 *
 * Source: MongoDB manual, "Field names with periods and dollar signs" and "BSON types, timestamps".
 */
export interface Oddities {
  readonly dollar: boolean;
  readonly emptyTimestamp: boolean;
}

const NONE: Oddities = { dollar: false, emptyTimestamp: false };

export function odditiesOf(document: Buffer): Oddities {
  // Two native searches rule out nearly every document without walking it.
  if (!document.includes(DOLLAR) && !document.includes(EIGHT_ZEROS)) return NONE;
  let dollar = false;
  let emptyTimestamp = false;
  for (const element of elementsOf(document)) {
    if (element.name.startsWith('$')) dollar = true;
    if (
      element.type === BsonType.timestamp &&
      element.name !== '_id' &&
      document.readBigUInt64LE(element.value) === 0n
    ) {
      emptyTimestamp = true;
    }
  }
  return { dollar, emptyTimestamp };
}

/** Replaces the document with that `_id`, or inserts it: `{q: {_id}, u: document, upsert: true}`. */
export function replaceStatement(document: Buffer): Buffer {
  return composeDocument([
    ['q', keyOf(document)],
    ['u', document],
    ['upsert', true],
  ]);
}

/**
 * The same by a pipeline. The stored document is the literal as it is: no field of it is read as an
 * operator, and the server fills in no timestamp.
 */
export function replaceLiterallyStatement(document: Buffer): Buffer {
  return composeDocument([
    ['q', keyOf(document)],
    ['u', literalPipeline(document)],
    ['upsert', true],
  ]);
}

/**
 * Inserts by a pipeline. The query is never true, so a document that is there already is not
 * changed but answered as a duplicate key, as an insert is.
 */
export function insertLiterallyStatement(document: Buffer): Buffer {
  const key = keyOf(document);
  const id = elementsOf(key).next().value;
  if (id === undefined) throw new RangeError('a key has no _id');
  const never = composeArray([{ type: BsonType.object, bytes: key }]);
  const q = composeDocument([
    ['_id', { type: id.type, bytes: key.subarray(id.value, id.end) }],
    ['$nor', never],
  ]);
  return composeDocument([
    ['q', q],
    ['u', literalPipeline(document)],
    ['upsert', true],
  ]);
}

/** Deletes one document: `{q: key, limit: 1}`. */
export function deleteStatement(key: Buffer): Buffer {
  return composeDocument([
    ['q', key],
    ['limit', 1],
  ]);
}

function literalPipeline(document: Buffer): ReturnType<typeof composeArray> {
  const literal = composeDocument([['$literal', document]]);
  const stage = composeDocument([['$replaceWith', literal]]);
  return composeArray([{ type: BsonType.object, bytes: stage }]);
}

/** A statement of one document, ready to be sent. */
export interface Statement {
  /** The document's place in its batch. */
  readonly index: number;
  readonly bytes: Buffer;
}

/** Cuts statements into runs that each fit into one command. */
export function* splitMessages(statements: readonly Statement[]): Generator<Statement[], void> {
  let message: Statement[] = [];
  let size = 0;
  for (const statement of statements) {
    const full =
      message.length === MAX_STATEMENTS || size + statement.bytes.length > MAX_MESSAGE_BYTES;
    if (full && message.length > 0) {
      yield message;
      message = [];
      size = 0;
    }
    message.push(statement);
    size += statement.bytes.length;
  }
  if (message.length > 0) yield message;
}
