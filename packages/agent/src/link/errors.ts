/** A link was asked for while this host has one, or waits for the server of one. */
export class AlreadyLinkedError extends Error {
  override readonly name = 'AlreadyLinkedError';
}

/** The server that a link-token names did not answer in time; the same link-token is still good. */
export class ServerUnreachableError extends Error {
  override readonly name = 'ServerUnreachableError';
}
