/** The link or this host was refused: all work of the link stops, the journal is kept. Final. */
export class LinkRefusedError extends Error {
  override readonly name = 'LinkRefusedError';
}

/** The migration has ended at the server. Final. */
export class MigrationEndedError extends Error {
  override readonly name: string = 'MigrationEndedError';
}

/**
 * A newer session of the migration was opened by another process (invariant I5). The same runner must
 * not go on; a later one may, once that process has gone.
 */
export class SessionFencedError extends MigrationEndedError {
  override readonly name: string = 'SessionFencedError';
}

/** The migration is paused: nothing is pushed until the server wants it again. The journal is kept. */
export class MigrationPausedError extends Error {
  override readonly name = 'MigrationPausedError';
}

/** The range is not this host's to copy any more; nothing more of it is written. Take another one. */
export class SubLeaseEndedError extends Error {
  override readonly name = 'SubLeaseEndedError';
}

/** The server's cursor of a verification walk is gone: begin the collection again. */
export class DigestCursorLostError extends Error {
  override readonly name = 'DigestCursorLostError';
}

/** The server or destination refused a request for good; the message says what and why. */
export class PushRefusedError extends Error {
  override readonly name = 'PushRefusedError';
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/**
 * Another migration host had the migration in the meantime, and it was given back, or another copy of this
 * one's journal was pushed from: what this run knows of the destination is worth nothing. A run that begins
 * anew finds that out from its journal.
 */
export class GivenBackError extends Error {
  override readonly name = 'GivenBackError';

  constructor() {
    super(
      'another migration host, or a copy of the state directory of this one, has pushed this live migration meanwhile: it is begun anew here',
    );
  }
}
