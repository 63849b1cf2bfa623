/** A journal that is of another version, or of another migration. */
export class JournalError extends Error {
  override readonly name = 'JournalError';
}

/**
 * The journal's file cannot be written or read. Nothing of the transaction that met it was kept, so
 * that a start from the file is right as soon as it can be used again.
 */
export class JournalUnusableError extends Error {
  override readonly name = 'JournalUnusableError';
}

/** Result codes of SQLite, the low byte of an extended one. Source: sqlite.org/rescode.html. */
const BUSY = 5;
const READONLY = 8;
const IOERR = 10;
const CORRUPT = 11;
const FULL = 13;
const CANTOPEN = 14;
const NOTADB = 26;

/**
 * What an error of SQLite says about the journal's file, for people; any other error as it is.
 * @param path the journal's file
 */
export function journalFault(error: unknown, path: string): unknown {
  const { code, errcode, message } = error as { code?: string; errcode?: number; message: string };
  if (code !== 'ERR_SQLITE_ERROR' || errcode === undefined) return error;
  const text = textOf(errcode & 0xff, path);
  return text === null ? error : new JournalUnusableError(`${text} (${message})`, { cause: error });
}

function textOf(code: number, path: string): string | null {
  switch (code) {
    case FULL:
      return `the disk of the journal ${path} is full: make room there, and it goes on by itself`;
    case IOERR:
    case READONLY:
    case CANTOPEN:
      return `the journal ${path} cannot be written: make room on its disk, or let the agent write there, and it goes on by itself`;
    case BUSY:
      return `the journal ${path} is held by another process: end that one, and it goes on by itself`;
    case CORRUPT:
    case NOTADB:
      return `the journal ${path} is damaged: restore it, or stop the agent, remove the file (with its -wal and -shm) and start the agent: then all of it is copied and compared again`;
    default:
      return null;
  }
}
