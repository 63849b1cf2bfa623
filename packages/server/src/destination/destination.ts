import { asBuffer } from '@linkspan/contract/bson/raw.ts';
import { orderedDocument } from '@linkspan/contract/bson/ordered.ts';
import type { RunCommandOptions, Document, MongoClient } from 'mongodb';

import { abortBuild } from './abortBuild.ts';
import { connect, type AddressCheck } from './connect.ts';
import {
  destinationError,
  DestinationUnavailableError,
  mayGoOn,
  mayGoOnAfter,
  type Kind,
} from './errors.ts';
import { FENCE_LANES, FenceLanes, type FenceNumber } from './fence.ts';

/** Majority and journaled (invariant I4), with an end to the waiting for it (rule C2). */
export const WRITE_CONCERN = { w: 'majority', j: true, wtimeout: 60_000 } as const;
/** How long a command may run at the server, in milliseconds. */
const MAX_TIME_MS = 60_000;
/** By which commands that change something are known, also to whoever looks at the server. */
const COMMENTS = { write: 'linkspan', abort: 'linkspan abort' } as const;
/**
 * Stands before each command that changes the destination: either runs `send`, or throws because
 * the session may not write any more (rule C6).
 */
export type WriteGuard = <T>(send: () => Promise<T>) => Promise<T>;

/** Kinds of servers, as the driver tells them, that give commands to other servers. */
const ROUTERS: readonly string[] = ['Mongos', 'LoadBalancer'];

/** The last check kept a command from being sent. */
class NotSent extends Error {}

export interface DestinationOptions {
  /** The cluster's name, for messages. */
  readonly cluster: string;
  /** With credentials: never shown. */
  readonly uri: string;
  /** `appName` of all connections: how their operations are found at the server (rule D14). */
  readonly connectionName: string;
  readonly mayConnect: AddressCheck;
  readonly guard: WriteGuard;
  /**
   * Throws what the guard would throw; for the abort of a build, only if the session's time is over.
   * Asked once a connection is there and only bytes are left to be written: a process may be stopped for
   * any time between the guard and that (rule C14).
   */
  readonly lastCheck?: (purpose: keyof typeof COMMENTS) => void;
  /** Runs a command that changes structure, recorded before it is sent (rule C2). */
  readonly recordStructure?: WriteGuard;
}

/** One destination cluster, written to by one push session. Connects with the first command. */
export class Destination {
  readonly cluster: string;
  readonly client: MongoClient;
  /** For commands that have no limit in time. */
  readonly #unhurried: MongoClient;
  readonly #guard: WriteGuard;
  readonly #builds = new Set<{ readonly db: string; readonly command: Document }>();
  readonly #recordStructure: WriteGuard;
  readonly #unanswered = new Set<Kind>();
  #lanes: FenceLanes | null = null;
  #isRouted = false;

  constructor(options: DestinationOptions) {
    this.cluster = options.cluster;
    this.#guard = options.guard;
    this.#recordStructure = options.recordStructure ?? ((send) => send());
    const { uri, connectionName: appName, mayConnect, lastCheck } = options;
    const common = { maxPoolSize: FENCE_LANES, monitorCommands: true };
    this.client = connect(uri, { appName, mayConnect, overrides: common });
    this.#unhurried = connect(uri, {
      appName,
      mayConnect,
      overrides: { ...common, socketTimeoutMS: 0, maxPoolSize: 8 },
    });
    for (const client of [this.client, this.#unhurried]) {
      // Known before a command is sent: a driver looks what kind of server it is first.
      client.on('serverDescriptionChanged', ({ newDescription: { type } }) => {
        this.#isRouted ||= ROUTERS.includes(type);
      });
      if (lastCheck === undefined) continue;
      client.on('commandStarted', ({ command: { comment } }) => {
        try {
          if (comment === COMMENTS.write) lastCheck('write');
          if (comment === COMMENTS.abort) lastCheck('abort');
        } catch (error) {
          throw new NotSent('not sent', { cause: error });
        }
      });
    }
  }

  /** From now on documents are written with numbers of this push session. */
  useFence(number: FenceNumber): void {
    this.#lanes = new FenceLanes(this.client, number);
  }

  /** True once a write was sent whose end is not known: it may be under way still (rule C2). */
  get hasUnanswered(): boolean {
    return this.#unanswered.size > 0;
  }

  /** The same for one that changes structure. */
  get hasUnansweredStructure(): boolean {
    return this.#unanswered.has('structure');
  }

  /**
   * Sends one insert, update or delete of single documents, past the guard.
   * @param doing what it does, for messages
   * @throws {DestinationUnavailableError} {DestinationRefusedError}, or what the guard throws
   */
  async writeDocuments(db: string, doing: string, command: Document): Promise<Document> {
    const lanes = this.#lanes;
    const timed = { ...command, maxTimeMS: MAX_TIME_MS };
    if (lanes === null) return this.#send('documents', this.client, db, doing, timed);
    return lanes.run(({ session, txnNumber }) => {
      const stamped = { ...timed, txnNumber };
      return this.#send('documents', this.client, db, doing, stamped, { session });
    });
  }

  /**
   * Sends one command that changes structure, past the guard.
   * @param doing what it does, for messages
   * @throws {DestinationUnavailableError} {DestinationRefusedError}, or what the guard throws
   */
  async write(db: string, doing: string, command: Document): Promise<Document> {
    const timed = { ...command, maxTimeMS: MAX_TIME_MS };
    return this.#recordStructure(() => this.#send('structure', this.client, db, doing, timed));
  }

  /**
   * The same for what takes as long as it takes: builds of indexes. A limit in time would abort the
   * build again and again.
   * @throws what the guard throws, also where the build has ended well after {@link abortBuilds}
   */
  async writeUnhurried(db: string, doing: string, command: Document): Promise<Document> {
    const build = { db, command };
    this.#builds.add(build);
    try {
      const reply = await this.#recordStructure(() =>
        this.#send('structure', this.#unhurried, db, doing, command),
      );
      // A drop that was to abort it may come after its end, and take away what was built.
      return await this.#guard(async () => reply);
    } finally {
      this.#builds.delete(build);
    }
  }

  /**
   * Ends the builds of indexes that are under way, so that nobody has to wait for them. Past the guard, for
   * a session that may not write any more. Whether it worked shows in the answers to the builds; what
   * was not answered is under way like any other command that changes structure.
   */
  async abortBuilds(): Promise<void> {
    for (const { db, command } of this.#builds) {
      const { createIndexes, indexes } = command;
      const names = ((indexes ?? []) as { name: string }[]).map(({ name }) => name);
      await abortBuild(names, (index) => this.#dropBuilt(db, createIndexes, index));
    }
  }

  async #dropBuilt(db: string, coll: string, index: string | readonly string[]): Promise<void> {
    const command = {
      dropIndexes: coll,
      index,
      maxTimeMS: MAX_TIME_MS,
      writeConcern: WRITE_CONCERN,
      comment: COMMENTS.abort,
    };
    await this.#recordStructure(async () => {
      try {
        await this.client.db(db).command(command);
      } catch (error) {
        this.#note('structure', error);
        throw error;
      }
    });
  }

  /**
   * All documents of the cursor of a command that changes nothing. For listings, which fit into
   * memory. Values come as they are in BSON, documents in them as maps.
   * @param keep which of them are given back
   */
  async readAll(
    db: string,
    doing: string,
    command: Document,
    keep: (document: Document) => boolean = () => true,
  ): Promise<Document[]> {
    const documents: Document[] = [];
    for await (const raw of this.readRaw(db, doing, command)) {
      const document = orderedDocument(raw);
      if (keep(document)) documents.push(document);
    }
    return documents;
  }

  /** The same one after the other, as they are in BSON. */
  async *readRaw(db: string, doing: string, command: Document): AsyncGenerator<Buffer, void> {
    try {
      const cursor = this.client.db(db).runCursorCommand(command, { raw: true });
      const { batchSize } = command;
      if (batchSize !== undefined) cursor.setBatchSize(batchSize);
      // With `raw` the driver gives bytes where its types say documents.
      for await (const raw of cursor as unknown as AsyncIterable<Uint8Array>) yield asBuffer(raw);
    } catch (error) {
      throw destinationError(this.cluster, doing, error);
    }
  }

  /** @throws {DestinationUnavailableError} {DestinationRefusedError} if the cluster takes no commands */
  async ping(): Promise<void> {
    try {
      await this.client.db('admin').command({ ping: 1 });
    } catch (error) {
      throw destinationError(this.cluster, 'connect', error);
    }
  }

  async listDatabases(): Promise<string[]> {
    try {
      const { databases } = await this.client.db('admin').admin().listDatabases({ nameOnly: true });
      return databases.map(({ name }) => name);
    } catch (error) {
      throw destinationError(this.cluster, 'list the databases', error);
    }
  }

  /** Cuts every connection. What was sent before may still be carried out at the server. */
  async close(): Promise<void> {
    await Promise.all([this.client.close(true), this.#unhurried.close(true)]);
  }

  async #send(
    kind: Kind,
    client: MongoClient,
    db: string,
    doing: string,
    command: Document,
    options: RunCommandOptions = {},
  ): Promise<Document> {
    const sent = { ...command, writeConcern: WRITE_CONCERN, comment: COMMENTS.write };
    return this.#guard(async () => {
      try {
        const reply = await client.db(db).command(sent, options);
        if (!mayGoOnAfter(reply, { kind, isRouted: this.#isRouted })) return reply;
      } catch (error) {
        if (error instanceof NotSent) throw error.cause;
        this.#note(kind, error);
        throw destinationError(this.cluster, doing, error);
      }
      this.#unanswered.add(kind);
      throw new DestinationUnavailableError(
        `cluster ${this.cluster}: ${doing}: a shard may still be carrying it out`,
      );
    });
  }

  /** Remembers that a command may be under way still. */
  #note(kind: Kind, error: unknown): void {
    if (error instanceof NotSent || !mayGoOn(error, { kind, isRouted: this.#isRouted })) return;
    this.#unanswered.add(kind);
  }
}
