import type { IncomingMessage } from 'node:http';

/** The longest that an answer waits for the rest of a body that nobody wants, in milliseconds. */
const PATIENCE_MS = 2000;

/** The most that is thrown away for it, in bytes. */
const MOST_BYTES = 64 * 1024 * 1024;

/**
 * Reads what is left of a request and throws it away. Call it before an answer after which the
 * connection is closed: bytes that nobody has read make the system reset a connection that is closed
 * (RFC 9112, section 9.6), and a client that is still sending then never sees why it was refused.
 * It returns as soon as the request is whole, and after two seconds or 64 MiB in any case.
 */
export async function readAway(request: IncomingMessage): Promise<void> {
  if (request.complete || request.destroyed) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, PATIENCE_MS);
  let size = 0;
  const count = (chunk: Buffer): void => {
    size += chunk.length;
    if (size > MOST_BYTES) resolve();
  };
  request.on('data', count).once('end', resolve).once('close', resolve);
  request.resume();
  await promise;
  clearTimeout(timer);
  request.off('data', count).off('end', resolve).off('close', resolve);
}

/** Whether this request is the last of its connection, for all that the client says. */
export function isLast({ httpVersion, headers }: IncomingMessage): boolean {
  const { connection = '' } = headers;
  return (
    /\bclose\b/i.test(connection) || (httpVersion === '1.0' && !/keep-alive/i.test(connection))
  );
}
