import { chmodSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

import { ConfigurationError } from '@linkspan/contract/options/declare.ts';
import Type, { type Static } from 'typebox';
import Value from 'typebox/value';

import { writeDurably } from '../journal/durableFile.ts';

/** Who this host is to the server. Written before the first request, so that nothing is done twice. */
const LinkState = Type.Object({
  hostId: Type.String(),
  /** 256 random bits in hex. */
  hostSecret: Type.String(),
  endpoint: Type.String(),
  orgId: Type.String(),
  /** SHA-256 in hex of the token that was used, to tell a new one from it. */
  tokenHash: Type.String(),
  /** null until the server has taken the token. */
  linkId: Type.Union([Type.String(), Type.Null()]),
  heartbeatSeconds: Type.Integer({ minimum: 1 }),
});
export type LinkState = Static<typeof LinkState>;

/** A link that is no more. Its credentials are forgotten; its token is known, not to be tried again. */
const EndedLink = Type.Object({
  /** By the server, which refused the token or the host, or by the source side. */
  ended: Type.Union([Type.Literal('REFUSED'), Type.Literal('UNLINKED')]),
  endpoint: Type.String(),
  tokenHash: Type.String(),
});
export type EndedLink = Static<typeof EndedLink>;

export function hasEnded(state: LinkState | EndedLink): state is EndedLink {
  return 'ended' in state;
}

/**
 * The directory that holds all that an agent must not lose: its identity and its journals. Only its
 * user may read it, and only one process may use it.
 */
export class StateDirectory implements Disposable {
  readonly path: string;
  readonly #lock: DatabaseSync;

  /** @throws {ConfigurationError} if it cannot be used or another agent uses it */
  constructor(directory: string) {
    this.path = directory;
    try {
      mkdirSync(join(directory, 'journals'), { recursive: true, mode: 0o700 });
      chmodSync(directory, 0o700);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      throw new ConfigurationError([`the state directory ${directory} cannot be used (${code})`]);
    }
    this.#lock = lock(directory);
  }

  /** The file of a migration's journal. */
  journalPath(migrationId: string): string {
    return join(this.path, 'journals', `${migrationId}.sqlite`);
  }

  /** @throws {ConfigurationError} if the file was damaged */
  readLink(): LinkState | EndedLink | null {
    const path = join(this.path, 'link.json');
    let state: unknown;
    try {
      state = JSON.parse(readFileSync(path, 'utf8'));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    }
    if (Value.Check(EndedLink, state) || Value.Check(LinkState, state)) return state;
    throw new ConfigurationError([
      `${path} is damaged: restore it, or remove it and link this host with a new link-token`,
    ]);
  }

  /** Forgets the credentials of a link. Durable when it comes back. */
  endLink({ endpoint, tokenHash }: LinkState, ended: EndedLink['ended']): void {
    this.#write({ ended, endpoint, tokenHash });
  }

  /** Durable when it comes back. */
  writeLink(state: LinkState): void {
    this.#write(state);
  }

  #write(state: LinkState | EndedLink): void {
    writeDurably(join(this.path, 'link.json'), JSON.stringify(state, null, 2));
  }

  [Symbol.dispose](): void {
    this.#lock.close();
  }
}

/** A lock that the operating system lifts when the process dies, by whatever way. */
function lock(directory: string): DatabaseSync {
  const database = new DatabaseSync(join(directory, 'agent.lock'));
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
    return database;
  } catch (error) {
    database.close();
    throw new ConfigurationError([
      String(error).includes('locked')
        ? `another linkspan agent uses the state directory ${directory}: stop it, or give this one a directory of its own (--state-dir)`
        : `the state directory ${directory} cannot be locked: ${(error as Error).message}`,
    ]);
  }
}
