import { unlinkSync } from 'node:fs';
import { createServer, request } from 'node:http';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import type { Logger } from 'pino';
import { BackupError } from '../store/maintenance/backup.ts';
import type { EmbeddedStore } from '../store/store.ts';

/** Beside the embedded store. Whoever may use that file may use this. */
const SOCKET = 'control.sock';

/** The longest path that a socket can have on every system, in bytes. */
const LONGEST_PATH = 103;

/**
 * Does what only the process can do that has the embedded store open, for the operator of the
 * machine: a socket in the data directory that its user alone can use, and no port.
 */
export async function openControlSocket(
  dataDirectory: string,
  embedded: EmbeddedStore,
  log: Logger,
): Promise<AsyncDisposable> {
  const path = join(dataDirectory, SOCKET);
  if (Buffer.byteLength(path) > LONGEST_PATH) {
    log.warn({ path }, 'the path is too long for a socket: no backup can be made while this runs');
    return { [Symbol.asyncDispose]: async () => {} };
  }
  const underWay = new Set<Promise<void>>();
  const server = createServer((incoming, answer) => {
    const reply = (status: number, body: object): void => {
      answer.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    };
    const backup = async (): Promise<void> => {
      try {
        const { to } = (await json(incoming)) as { to?: unknown };
        if (incoming.url !== '/backup' || typeof to !== 'string') return reply(404, {});
        await embedded.backUp(to);
        log.info({ to }, 'the store was backed up');
        reply(200, {});
      } catch (error) {
        log.error({ err: error }, 'the store could not be backed up');
        reply(500, { detail: (error as Error).message });
      }
    };
    const work = backup().finally(() => underWay.delete(work));
    underWay.add(work);
  });
  // This process has the store to itself: a socket that is there is left from one that was killed.
  unlink(path);
  const umask = process.umask(0o177);
  try {
    const listening = Promise.withResolvers<void>();
    server.once('error', listening.reject);
    server.listen(path, () => listening.resolve());
    await listening.promise;
  } finally {
    process.umask(umask);
  }
  return {
    [Symbol.asyncDispose]: async () => {
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      // What is under way needs the store, which is closed next.
      await Promise.all(underWay);
      server.closeAllConnections();
      await closed.promise;
    },
  };
}

function unlink(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

/**
 * Asks the server that has the embedded store open for a backup.
 * @param to an absolute path, for the server to write
 * @returns false if no server listens
 * @throws {BackupError} with what the server says
 */
export async function askForBackup(dataDirectory: string, to: string): Promise<boolean> {
  const { promise, resolve, reject } = Promise.withResolvers<boolean>();
  const call = request(
    { socketPath: join(dataDirectory, SOCKET), path: '/backup', method: 'POST', agent: false },
    (answer) => {
      json(answer).then((body) => {
        if (answer.statusCode === 200) return resolve(true);
        const { detail } = body as { detail?: string };
        reject(new BackupError(detail ?? `the server answered ${answer.statusCode}`));
      }, reject);
    },
  );
  call.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED') resolve(false);
    else reject(error);
  });
  call.end(JSON.stringify({ to }));
  return promise;
}
