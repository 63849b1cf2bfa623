import { MongoClient, type Document, type MongoClientOptions } from 'mongodb';

import { destinationError, wasAnswered } from './errors.ts';

/** Majority and journaled (invariant I4), with an end to the waiting for it (rule C2). */
const WRITE_CONCERN = { w: 'majority', j: true, wtimeout: 60_000 } as const;
/** How long a command may run at the server, in milliseconds. */
const MAX_TIME_MS = 60_000;
/** Longer than a command and its write concern may take: cuts only what is broken. */
const SOCKET_TIMEOUT_MS = 150_000;

/** Options of every client that is connected to a destination cluster. */
export const CONNECTION_OPTIONS = {
  connectTimeoutMS: 10_000,
  serverSelectionTimeoutMS: 15_000,
  socketTimeoutMS: SOCKET_TIMEOUT_MS,
  waitQueueTimeoutMS: 60_000,
  // A monitor that waits at the server would be listed there for ten seconds after its process died.
  serverMonitoringMode: 'poll',
  readPreference: 'primary',
  retryReads: false,
  // The driver would send a write again by itself, past the check that stands before each (C6).
  retryWrites: false,
} as const satisfies MongoClientOptions;

/**
 * Stands before each command that changes the destination: either runs `send`, or throws because
 * the session may not write any more (rule C6).
 */
export type WriteGuard = <T>(send: () => Promise<T>) => Promise<T>;

export interface DestinationOptions {
  /** The cluster's name, for messages. */
  readonly cluster: string;
  /** With credentials: never shown. */
  readonly uri: string;
  /** `appName` of all connections: how their operations are found at the server (rule D14). */
  readonly connectionName: string;
  readonly guard: WriteGuard;
}

/** One destination cluster, written to by one push session. Connects with the first command. */
export class Destination {
  readonly cluster: string;
  readonly client: MongoClient;
  /** For commands that have no limit in time. */
  readonly #unhurried: MongoClient;
  readonly #guard: WriteGuard;
  #unanswered = false;

  constructor(options: DestinationOptions) {
    this.cluster = options.cluster;
    this.#guard = options.guard;
    const connection = { ...CONNECTION_OPTIONS, appName: options.connectionName };
    this.client = new MongoClient(options.uri, { ...connection, maxPoolSize: 32 });
    this.#unhurried = new MongoClient(options.uri, {
      ...connection,
      socketTimeoutMS: 0,
      maxPoolSize: 8,
    });
  }

  /** True once a write was sent that was never answered: it may be under way still (rule C2). */
  get hasUnanswered(): boolean {
    return this.#unanswered;
  }

  /**
   * Sends one command that changes something, past the guard.
   * @param doing what it does, for messages
   * @throws {DestinationUnavailableError} {DestinationRefusedError}, or what the guard throws
   */
  async write(db: string, doing: string, command: Document): Promise<Document> {
    return this.#send(this.client, db, doing, { ...command, maxTimeMS: MAX_TIME_MS });
  }

  /**
   * The same for what takes as long as it takes: builds of indexes. A limit in time would abort the
   * build again and again.
   */
  async writeUnhurried(db: string, doing: string, command: Document): Promise<Document> {
    return this.#send(this.#unhurried, db, doing, command);
  }

  /** Sends one command that changes nothing. Values come back as they are in BSON. */
  async read(db: string, doing: string, command: Document): Promise<Document> {
    try {
      return await this.client.db(db).command({ ...command, maxTimeMS: MAX_TIME_MS }, EXACT_VALUES);
    } catch (error) {
      throw destinationError(this.cluster, doing, error);
    }
  }

  /** Cuts every connection. What was sent before may still be carried out at the server. */
  async close(): Promise<void> {
    await Promise.all([this.client.close(true), this.#unhurried.close(true)]);
  }

  async #send(
    client: MongoClient,
    db: string,
    doing: string,
    command: Document,
  ): Promise<Document> {
    return this.#guard(async () => {
      try {
        return await client
          .db(db)
          .command({ ...command, writeConcern: WRITE_CONCERN, comment: 'linkspan' });
      } catch (error) {
        if (!wasAnswered(error)) this.#unanswered = true;
        throw destinationError(this.cluster, doing, error);
      }
    });
  }
}

/** Numbers, regular expressions and binaries as objects of their BSON types. */
export const EXACT_VALUES = {
  promoteValues: false,
  promoteLongs: false,
  promoteBuffers: false,
  bsonRegExp: true,
} as const;
