import type { Logger } from 'pino';

import type { TlsFiles } from '@linkspan/contract/tls/files.ts';
import { HEARTBEAT_FRESH_MS } from '@linkspan/contract/push/host.ts';

import { LinkRefusedError } from '../push/errors.ts';
import { AlreadyLinkedError, ServerUnreachableError } from './errors.ts';
import {
  establishedLink,
  establishLink,
  tokenMissing,
  type Established,
  type Establishing,
} from './establish.ts';
import { sayFarewell } from './farewell.ts';
import { hasEnded, type StateDirectory } from './stateDirectory.ts';

/** How long a link that is asked for waits for its server, in milliseconds. */
const LINK_PATIENCE_MS = 20_000;

export interface HostLinkOptions {
  readonly directory: StateDirectory;
  readonly hostname: string;
  readonly agentVersion: string;
  readonly tls?: TlsFiles;
  readonly log: Logger;
  /**
   * Does the work of a link until the signal aborts or the server refuses the link, and calls back
   * whenever the server has taken a heartbeat.
   */
  readonly work: (link: Established, onHeartbeat: () => void, signal: AbortSignal) => Promise<void>;
  /** Called where this host has no link and waits to be given one; null: such a host ends. */
  readonly onUnlinked: (() => void) | null;
  readonly linkPatienceMs?: number;
  readonly farewellPatienceMs?: number;
}

/** The time that a link exists here: from the link-token to the end of its work. */
interface Life {
  readonly stop: AbortController;
  /** Settles when nothing of it runs any more; never rejects. */
  readonly done: Promise<void>;
}

/**
 * The link of this host: at most one at a time, made from the link-token of the start or one that the
 * source side gives later, ended by the server or by the source side. Links and unlinks take turns.
 */
export class HostLink {
  readonly #options: HostLinkOptions;
  /** Of the process, or because this has failed. */
  readonly #stopping: AbortSignal;
  readonly #stop = new AbortController();
  readonly #outcome = Promise.withResolvers<void>();
  #life: Life | null = null;
  #turn: Promise<unknown> = Promise.resolve();
  #unlinking: Promise<boolean> | null = null;
  #heartbeatAt: number | null = null;

  /** @param stopping ends everything that this does */
  constructor(options: HostLinkOptions, stopping: AbortSignal) {
    this.#options = options;
    this.#stopping = AbortSignal.any([stopping, this.#stop.signal]);
    this.#outcome.promise.catch(() => undefined);
    const stop = (): void => this.#outcome.resolve();
    if (stopping.aborted) stop();
    else stopping.addEventListener('abort', stop, { once: true });
  }

  /**
   * Goes on with the link that is there, or makes one with the link-token, and comes back when the
   * signal has aborted and nothing runs any more.
   * @param linkToken not used where there is a link
   * @throws {ConfigurationError} {LinkRefusedError} where that ends this host
   * @throws {PushRefusedError} where the server does not speak with this agent
   */
  async run(linkToken: string | null): Promise<void> {
    try {
      await this.#inTurn(async () => this.#begin(linkToken));
      await this.#outcome.promise;
    } finally {
      this.#stop.abort(new Error('the agent is stopping'));
      await this.#life?.done;
      await this.#turn;
    }
  }

  /**
   * Makes a link with a link-token of the source side; comes back once the server has taken it.
   * @throws {AlreadyLinkedError}
   * @throws {ConfigurationError} if the token is not usable, {@link LinkRefusedError} if it is refused
   * @throws {ServerUnreachableError} if no answer came in time
   */
  link(token: string): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#stopping.aborted) throw new ServerUnreachableError('the agent is stopping');
      if (this.#life !== null) {
        throw new AlreadyLinkedError('this migration host is linked, or waits for its server');
      }
      const link = await this.#linkInTime(token);
      this.#heartbeatAt = performance.now();
      this.#live(async () => link);
    });
  }

  /**
   * Ends the link from the source side: its work stops where it can go on, the server is told if it
   * can be reached in time, the credentials are forgotten. Journals stay. Whoever asks meanwhile
   * waits for the same end.
   * @returns false if there was no link
   */
  unlink(): Promise<boolean> {
    this.#unlinking ??= this.#inTurn(() => this.#unlink()).finally(() => {
      this.#unlinking = null;
    });
    return this.#unlinking;
  }

  /** Whether the server has taken a heartbeat lately. */
  get isSynced(): boolean {
    const at = this.#heartbeatAt;
    return at !== null && performance.now() - at <= HEARTBEAT_FRESH_MS;
  }

  #begin(token: string | null): void {
    const { directory, log, onUnlinked } = this.#options;
    const known = establishedLink(directory);
    if (known !== null) {
      this.#live(async () => known);
    } else if (token !== null) {
      this.#live((signal) => establishLink(token, this.#establishing(), signal));
    } else if (onUnlinked === null) {
      throw tokenMissing(directory);
    } else {
      log.info('not linked: waiting for a link-token from the source side');
      onUnlinked();
    }
  }

  #live(establish: (signal: AbortSignal) => Promise<Established>): void {
    const { log, work } = this.#options;
    const stop = new AbortController();
    const signal = AbortSignal.any([this.#stopping, stop.signal]);
    const run = async (): Promise<void> => {
      try {
        const link = await establish(signal);
        log.info({ server: link.endpoint, orgId: link.orgId, hostId: link.hostId }, 'linked');
        const onHeartbeat = (): void => {
          this.#heartbeatAt = performance.now();
        };
        await work(link, onHeartbeat, signal);
      } catch (error) {
        // Stopped while it waited for the server: the next start goes on with the same token.
        if (!signal.aborted) this.#end(error as Error);
      } finally {
        this.#heartbeatAt = null;
        this.#life = null;
      }
    };
    // In a later turn of the event loop, so that what it ends with finds the life that it ends.
    const done = Promise.resolve().then(run);
    this.#life = { stop, done };
  }

  /** The link has ended otherwise than from this side. Never throws. */
  #end(error: Error): void {
    const { log, onUnlinked } = this.#options;
    try {
      if (!(error instanceof LinkRefusedError)) throw error;
      this.#forget();
      if (onUnlinked === null) throw error;
      log.error({ reason: error.message }, 'the link has ended: waiting for another link-token');
      onUnlinked();
    } catch (reason) {
      // That, or the state directory cannot be written: this host cannot go on.
      this.#outcome.reject(reason);
    }
  }

  #forget(): void {
    const { directory } = this.#options;
    const known = directory.readLink();
    if (known !== null && !hasEnded(known)) directory.endLink(known, 'REFUSED');
  }

  async #linkInTime(token: string): Promise<Established> {
    const { linkPatienceMs = LINK_PATIENCE_MS } = this.#options;
    const patience = AbortSignal.timeout(linkPatienceMs);
    let reason = 'its server did not answer in time';
    const onWaiting = (why: string): void => {
      reason = why;
    };
    try {
      const signal = AbortSignal.any([this.#stopping, patience]);
      return await establishLink(token, { ...this.#establishing(), onWaiting }, signal);
    } catch (error) {
      if (this.#stopping.aborted) reason = 'the agent is stopping';
      else if (!patience.aborted || error !== patience.reason) throw error;
      throw new ServerUnreachableError(reason, { cause: error });
    }
  }

  async #unlink(): Promise<boolean> {
    const { directory, tls, log, farewellPatienceMs, onUnlinked } = this.#options;
    const life = this.#life;
    life?.stop.abort(new Error('unlinked from the source side'));
    await life?.done;
    const known = directory.readLink();
    if (known === null || hasEnded(known)) return life !== null;
    const { endpoint } = known;
    const patience = farewellPatienceMs === undefined ? {} : { patienceMs: farewellPatienceMs };
    await sayFarewell({ endpoint, credentials: known, tls, log, ...patience }, this.#stopping);
    directory.endLink(known, 'UNLINKED');
    log.info({ server: endpoint }, 'unlinked from the source side: credentials are forgotten');
    onUnlinked?.();
    return true;
  }

  #establishing(): Establishing {
    const { directory, hostname, agentVersion, tls, log } = this.#options;
    return { directory, hostname, agentVersion, log, ...(tls === undefined ? {} : { tls }) };
  }

  /** One after the other, in the order of the calls. */
  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(task);
    this.#turn = result.catch(() => undefined);
    return result;
  }
}
