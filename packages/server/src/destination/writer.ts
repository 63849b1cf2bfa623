import { keyOf } from '@linkspan/contract/bson/raw.ts';
import { formatNamespace } from '@linkspan/contract/push/namespaces.ts';
import type { WriteOperation } from '@linkspan/contract/push/batch.ts';
import type { Document } from 'mongodb';

import { listIndexes } from './catalog.ts';
import type { Destination } from './destination.ts';
import { documentSequence } from './documentSequence.ts';
import { DestinationUnavailableError, isTransientCode } from './errors.ts';
import {
  MAX_STATEMENT_BYTES,
  deleteStatement,
  insertLiterallyStatement,
  odditiesOf,
  replaceLiterallyStatement,
  replaceStatement,
  splitMessages,
  type Statement,
} from './statements.ts';
import {
  describeConflict,
  DUPLICATE_KEY,
  type DuplicateKey,
  holdersOf,
  indexOf,
} from './uniqueConflict.ts';

const IMMUTABLE_FIELD = 66;
const OBJECT_TOO_LARGE = 10_334;

/** Looked for in one batch; the next one shows the others. */
const HOLDERS_AT_MOST = 100;

export interface Batch {
  readonly op: WriteOperation;
  readonly db: string;
  readonly coll: string;
  /** Raw BSON: documents, or document keys for `delete`. */
  readonly documents: readonly Buffer[];
}

/** One document that was not written. */
export interface WriteFailure {
  /** Its place in the batch. */
  readonly index: number;
  /** The server's code. */
  readonly code: number;
  readonly message: string;
  /** Raw key of the document that has its key in a unique index, where that was found (rule D17). */
  readonly holder?: Buffer;
}

export interface BatchResult {
  /** Documents that the destination now holds, or no longer holds. */
  readonly written: number;
  /** Of an insert: documents whose `_id` was there already. */
  readonly duplicates: number;
  readonly failures: readonly WriteFailure[];
}

interface WriteError extends DuplicateKey {
  readonly index: number;
}

/**
 * Writes raw documents as they are. Returns when the destination has acknowledged all of them with
 * `{w: "majority", j: true}`, save the failures, each of which says so itself.
 * @throws {DestinationUnavailableError} if the fate of the batch is not known: all of it again
 * @throws {DestinationRefusedError} if the destination refuses the batch as such
 */
export async function writeBatch(destination: Destination, batch: Batch): Promise<BatchResult> {
  const writer = new BatchWriter(destination, batch);
  switch (batch.op) {
    case 'insert':
      return writer.insert();
    case 'replace':
      return writer.replace();
    case 'recreate':
      return writer.recreate();
    case 'delete':
      return writer.delete();
  }
}

class BatchWriter {
  readonly #destination: Destination;
  readonly #batch: Batch;
  readonly #where: string;
  readonly #failures: WriteFailure[] = [];
  #indexes: Promise<readonly Document[]> | null = null;
  #lookedFor = 0;
  #duplicates = 0;

  constructor(destination: Destination, batch: Batch) {
    this.#destination = destination;
    this.#batch = batch;
    this.#where = formatNamespace(batch);
  }

  async insert(): Promise<BatchResult> {
    await this.#insertAll(this.#all());
    return this.#result();
  }

  async replace(): Promise<BatchResult> {
    const statements: Statement[] = [];
    const recreated: Statement[] = [];
    for (const { index, bytes } of this.#all()) {
      const { dollar, emptyTimestamp } = odditiesOf(bytes);
      const statement =
        dollar || emptyTimestamp ? replaceLiterallyStatement(bytes) : replaceStatement(bytes);
      if (statement.length <= MAX_STATEMENT_BYTES) statements.push({ index, bytes: statement });
      else recreated.push({ index, bytes });
    }
    for (const error of await this.#send('update', statements)) {
      if (error.code === IMMUTABLE_FIELD) recreated.push(this.#at(error.index));
      else await this.#fail(error);
    }
    await this.#recreateAll(recreated);
    return this.#result();
  }

  async recreate(): Promise<BatchResult> {
    await this.#recreateAll(this.#all());
    return this.#result();
  }

  async delete(): Promise<BatchResult> {
    const statements = this.#all().map(({ index, bytes }) => ({
      index,
      bytes: deleteStatement(bytes),
    }));
    for (const error of await this.#send('delete', statements)) await this.#fail(error);
    return this.#result();
  }

  async #recreateAll(documents: readonly Statement[]): Promise<void> {
    const deletes = documents.map(({ index, bytes }) => ({
      index,
      bytes: deleteStatement(keyOf(bytes)),
    }));
    const standing = new Set<number>();
    for (const error of await this.#send('delete', deletes)) {
      standing.add(error.index);
      await this.#fail(error);
    }
    await this.#insertAll(documents.filter(({ index }) => !standing.has(index)));
  }

  async #insertAll(documents: readonly Statement[]): Promise<void> {
    const plain: Statement[] = [];
    const literal: Statement[] = [];
    for (const document of documents) {
      if (!odditiesOf(document.bytes).emptyTimestamp) {
        plain.push(document);
        continue;
      }
      const bytes = insertLiterallyStatement(document.bytes);
      if (bytes.length <= MAX_STATEMENT_BYTES) {
        literal.push({ index: document.index, bytes });
        continue;
      }
      this.#failures.push({
        index: document.index,
        code: OBJECT_TOO_LARGE,
        message: `${this.#where}: a document with an empty timestamp at its top level is too large to be inserted as it is: the server would fill the timestamp in`,
      });
    }
    const errors = [
      ...(await this.#send('insert', plain)),
      ...(await this.#send('update', literal)),
    ];
    for (const error of errors) {
      if (isDuplicateId(error)) this.#duplicates += 1;
      else await this.#fail(error);
    }
  }

  /** @returns the write errors, with the places of their documents in the batch */
  async #send(
    command: 'insert' | 'update' | 'delete',
    statements: readonly Statement[],
  ): Promise<WriteError[]> {
    const errors: WriteError[] = [];
    for (const message of splitMessages(statements)) {
      const bytes = message.map((statement) => statement.bytes);
      const doing = `${command} ${message.length} documents, ${this.#where}`;
      const reply = await this.#destination.writeDocuments(this.#batch.db, doing, {
        [command]: this.#batch.coll,
        ordered: false,
        ...(command === 'delete' ? {} : { bypassDocumentValidation: true }),
        ...sequenceOf(command, bytes),
      });
      for (const error of (reply['writeErrors'] ?? []) as WriteError[]) {
        if (isTransientCode(error.code)) {
          throw new DestinationUnavailableError(
            `cluster ${this.#destination.cluster}: ${doing}: ${error.errmsg ?? `code ${error.code}`}`,
          );
        }
        errors.push({ ...error, index: (message[error.index] as Statement).index });
      }
    }
    return errors;
  }

  #all(): Statement[] {
    return this.#batch.documents.map((bytes, index) => ({ index, bytes }));
  }

  #at(index: number): Statement {
    return { index, bytes: this.#batch.documents[index] as Buffer };
  }

  async #fail(error: WriteError): Promise<void> {
    const { index, code } = error;
    const holder = code === DUPLICATE_KEY ? await this.#holderOf(error) : undefined;
    this.#failures.push({
      index,
      code,
      message: `${this.#where}: ${failureText(error)}`,
      ...(holder !== undefined && { holder }),
    });
  }

  async #holderOf(error: WriteError): Promise<Buffer | undefined> {
    this.#lookedFor += 1;
    if (this.#lookedFor > HOLDERS_AT_MOST) return undefined;
    const { bytes } = this.#at(error.index);
    this.#indexes ??= listIndexes(this.#destination, this.#batch);
    const specs = await this.#indexes;
    const [holder] = await holdersOf(this.#destination, this.#batch, error, specs, bytes, 1);
    return holder;
  }

  #result(): BatchResult {
    return {
      written: this.#batch.documents.length - this.#failures.length,
      duplicates: this.#duplicates,
      failures: this.#failures.toSorted((a, b) => a.index - b.index),
    };
  }
}

function sequenceOf(
  command: 'insert' | 'update' | 'delete',
  bytes: readonly Buffer[],
): Record<string, object> {
  const fields = { insert: 'documents', update: 'updates', delete: 'deletes' } as const;
  const field = fields[command];
  return { [field]: documentSequence(field, bytes) };
}

/** Rule D10: only a duplicate of `_id` says that the document is there already. */
function isDuplicateId(error: WriteError): boolean {
  if (error.code !== DUPLICATE_KEY) return false;
  if (error.keyPattern === undefined) return indexOf(error) === '_id_';
  const fields = Object.keys(error.keyPattern);
  return fields.length === 1 && fields[0] === '_id';
}

function failureText(error: WriteError): string {
  if (error.code === DUPLICATE_KEY) return `another document has ${describeConflict(error)}`;
  return (error.errmsg ?? `code ${error.code}`).slice(0, 1000);
}
