import { createRequire } from 'node:module';

/** What is used of the driver's class. */
interface DriverSequence {
  push(document: object, bytes: Uint8Array): number;
}

/**
 * The driver has no public way to send documents that are in BSON already. Its own bulk writes put
 * an object of this internal class where an array would stand in a command. This is the one file
 * that knows of it; the driver is pinned, and a test tells when a new version changes the class.
 */
const internals = createRequire(import.meta.url)('mongodb/lib/cmap/commands.js') as {
  DocumentSequence?: new (field: string) => DriverSequence;
};

/**
 * The value of `documents`, `updates` or `deletes` of a command, from raw bytes that are sent as
 * they are. It works for one sending only: the driver takes it out of the command.
 * @throws {RangeError} for no documents: the driver would send memory that it never wrote
 */
export function documentSequence(
  field: 'documents' | 'updates' | 'deletes',
  documents: readonly Uint8Array[],
): object {
  if (documents.length === 0) throw new RangeError(`a sequence of ${field} must not be empty`);
  const { DocumentSequence } = internals;
  if (DocumentSequence === undefined) {
    throw new Error('this version of the mongodb driver has no DocumentSequence: use 7.9.0');
  }
  const sequence = new DocumentSequence(field);
  for (const document of documents) sequence.push(document, document);
  return sequence;
}
