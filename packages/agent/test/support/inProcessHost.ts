import { randomBytes } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { MigrationWork, WorkItem } from '@linkspan/contract/push/work.ts';
import { type DestinationSide } from '@linkspan/testkit/destinationSide.ts';
import {
  expectBody,
  MIGRATION_HOST,
  SOURCE_DEPLOYMENT,
  SOURCE_PROJECT,
} from '@linkspan/testkit/migrationCalls.ts';
import { pino } from 'pino';
import type { EngineHooks, EngineLog, EngineOptions } from '../../src/migration/context.ts';
import { copyRanges } from '../../src/migration/rangeCopier.ts';
import { trackWhilePaused } from '../../src/migration/pausedRunner.ts';
import { runMigration } from '../../src/migration/runner.ts';
import { tellInterrupted } from '../../src/migration/tellInterrupted.ts';
import type { WriteBlock } from '../../src/migration/writeBlock.ts';
import { HostClient, registerHost } from '../../src/push/client.ts';
import type { Pusher } from '../../src/push/pusher.ts';
import { PusherOverHttp } from '../../src/push/pusherOverHttp.ts';
import { SubLeases } from '../../src/push/subLeases.ts';
import { PushTransport } from '../../src/push/transport.ts';
import { describeDeployment } from '../../src/source/inventory.ts';
import { pollWork } from '../../src/work/poll.ts';
import {
  type CopyRun,
  type MigrationRun,
  Supervisor,
  type SupervisorOptions,
} from '../../src/work/supervisor.ts';

const LOG = pino({ level: process.env['LINKSPAN_TEST_LOG'] ?? 'silent' });

export interface RunOptions {
  readonly hooks?: EngineHooks;
  readonly options?: Partial<EngineOptions>;
  readonly writeBlock?: WriteBlock | null;
  readonly log?: EngineLog;
  /** The side's if absent. */
  readonly sourceUri?: string;
  /** The migration's own if absent; of another name, the host has lost what it knew. */
  readonly journal?: string;
  /** Sees the pusher of each run before that begins. */
  readonly onPusher?: (pusher: Pusher) => void;
}

/** A migration that runs in the test's own process, so that hooks can hold it. */
export interface Run {
  /** Settles when the engine has ended, with its error if there was one. */
  readonly ended: Promise<Error | null>;
  /** As a crash would: nothing is told to the server, only the journal is left. */
  stop(): Promise<void>;
  /** The same of an engine that a hook holds for ever: it is not waited for. */
  crash(): Promise<void>;
}

/** A migration host without an agent process: the real engine, pusher and protocol. */
export class InProcessHost implements AsyncDisposable {
  readonly #side: DestinationSide;
  readonly #transport: PushTransport;
  readonly #client: HostClient;
  readonly #credentials: { hostId: string; hostSecret: string };
  readonly #runs = new Set<Run>();
  readonly #journals: string;

  private constructor(
    side: DestinationSide,
    transport: PushTransport,
    credentials: { hostId: string; hostSecret: string },
  ) {
    this.#side = side;
    this.#transport = transport;
    this.#credentials = credentials;
    this.#client = new HostClient(transport, credentials);
    this.#journals = mkdtempSync(join(side.directory, 'journals-'));
  }

  /** Uses the side's link-token up and reports its source. */
  static link(side: DestinationSide): Promise<InProcessHost> {
    return InProcessHost.#link(side, side.linkToken, MIGRATION_HOST);
  }

  /** Another host on the same link, which reads the same source. */
  static async linkFurther(side: DestinationSide, hostname: string): Promise<InProcessHost> {
    const path = `/api/linkspan/v1/orgs/${side.orgId}/liveMigrations/link/hosts`;
    const { linkToken } = await expectBody<{ linkToken: string }>(
      side.api.post(path, { body: {} }),
    );
    return InProcessHost.#link(side, linkToken, hostname);
  }

  static async #link(
    side: DestinationSide,
    linkToken: string,
    hostname: string,
  ): Promise<InProcessHost> {
    const transport = new PushTransport(side.baseUrl);
    const credentials = {
      hostId: randomBytes(12).toString('hex'),
      hostSecret: randomBytes(32).toString('hex'),
    };
    const facts = { hostname, agentVersion: 'test' };
    const { signal } = new AbortController();
    await registerHost(transport, linkToken, { ...credentials, ...facts }, signal);
    const host = new InProcessHost(side, transport, credentials);
    const deployments = [await describeDeployment(SOURCE_DEPLOYMENT, side.source.uri)];
    const projects = [{ projectId: SOURCE_PROJECT, name: 'Tests', deployments }];
    await host.#client.inventory({ ...facts, projects }, signal);
    return host;
  }

  /** The file of a migration's journal. */
  journalOf(id: string): string {
    return join(this.#journals, `${id}.sqlite`);
  }

  /** Runs a migration as the server wants it; a second run goes on from the first one's journal. */
  async run(id: string, how: RunOptions = {}): Promise<Run> {
    const stop = new AbortController();
    const listeners = new Set<() => void>();
    let wanted = await this.#workFor(id, stop.signal);
    const polling = this.#poll(id, stop.signal, (work) => {
      wanted = work;
      for (const listener of listeners) listener();
    });
    const told = {
      work: wanted,
      cutoverAttempt: () => wanted.cutoverAttempt,
      throttle: () => wanted.throttle ?? null,
      verification: () => ({
        verify: wanted.verifyAttempt ?? 0,
        repair: wanted.repairAttempt ?? 0,
      }),
      onWork: (listener: () => void) => {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
      interrupted: () => null,
    };
    const ended = this.#migrate(told, how, stop.signal).then(
      () => null,
      (error: Error) => error,
    );
    return this.#running(stop, ended, { afterStop: () => polling });
  }

  /** Runs a migration again and again, as an agent does: what interrupts one run is told to the next. */
  runAgain(id: string, how: RunOptions = {}): Run {
    return this.#supervise(id, {
      migrate: (run, signal) => this.#migrate(run, how, signal),
      tellInterrupted: (_, reason, signal) =>
        tellInterrupted(reason, {
          migrationId: id,
          journalPath: this.journalOf(how.journal ?? id),
          log: LOG,
          report: (progress) => this.#client.reportWaiting(id, progress, signal),
        }),
    });
  }

  #migrate(
    told: Omit<MigrationRun, 'wasFenced'>,
    how: RunOptions,
    signal: AbortSignal,
  ): Promise<void> {
    const { hooks = {}, options = {}, writeBlock = null, log = LOG } = how;
    const { id } = told.work;
    const pusher = new PusherOverHttp(this.#transport, this.#credentials, id);
    how.onPusher?.(pusher);
    return runMigration(
      {
        ...told,
        sourceUri: how.sourceUri ?? this.#side.source.uri,
        journalPath: this.journalOf(how.journal ?? id),
        pusher,
        log,
        hooks,
        options,
        writeBlock,
      },
      signal,
    );
  }

  /** Follows the source of a paused migration, as an agent does while it is paused. */
  async track(id: string): Promise<Run> {
    const stop = new AbortController();
    const ended = trackWhilePaused(
      {
        migrationId: id,
        namespaces: (await this.#workFor(id, stop.signal)).namespaces ?? null,
        sourceUri: this.#side.source.uri,
        journalPath: this.journalOf(id),
        log: LOG,
        report: (progress, signal) => this.#client.reportPaused(id, progress, signal),
      },
      stop.signal,
    ).then(
      () => null,
      (error: Error) => error,
    );
    return this.#running(stop, ended);
  }

  /** Copies ranges of other hosts' migrations as the server wants it. */
  copyForOthers({ hooks = {}, options = {} }: Pick<RunOptions, 'hooks' | 'options'> = {}): Run {
    const copy = ({ work, throttle, onWork }: CopyRun, signal: AbortSignal): Promise<void> =>
      copyRanges(
        {
          subLeases: new SubLeases(this.#transport, this.#credentials, work.id),
          sourceUri: this.#side.source.uri,
          log: LOG,
          throttle,
          onWork,
          hooks,
          options,
        },
        signal,
      );
    return this.#supervise(null, { copy });
  }

  /** @param id of the migration that is run; null: ranges of any other host's are copied, nothing else is done */
  #supervise(id: string | null, how: Partial<SupervisorOptions>): Run {
    const stop = new AbortController();
    const supervisor = new Supervisor({
      log: LOG,
      migrate: async () => undefined,
      track: async () => undefined,
      validate: async () => undefined,
      copy: async () => undefined,
      tellInterrupted: async () => undefined,
      onRefused: (error) => stop.abort(error),
      ...how,
    });
    const isMeant = (item: WorkItem): boolean =>
      id === null ? item.kind === 'copy' : item.id === id;
    const ended = pollWork(
      this.#client,
      (work) => supervisor.apply(work.filter(isMeant)),
      LOG,
      stop.signal,
    ).then(
      () => null,
      async (error: Error) => {
        await supervisor.stop(error);
        return error;
      },
    );
    // Nothing is heard of it any more.
    const beforeCrash = () => this.#transport[Symbol.asyncDispose]();
    return this.#running(stop, ended, id === null ? { beforeCrash } : {});
  }

  #running(
    stop: AbortController,
    ended: Promise<Error | null>,
    also: { afterStop?: () => Promise<void>; beforeCrash?: () => Promise<void> } = {},
  ): Run {
    const run: Run = {
      ended,
      stop: async () => {
        stop.abort(new Error('stopped by the test'));
        await ended;
        await also.afterStop?.();
        this.#runs.delete(run);
      },
      crash: async () => {
        await also.beforeCrash?.();
        stop.abort(new Error('crashed by the test'));
        this.#runs.delete(run);
      },
    };
    this.#runs.add(run);
    return run;
  }

  /** What the server says became of a migration. */
  async status(id: string): Promise<string> {
    return (await this.#client.migrationStatus(id, {}, AbortSignal.timeout(10_000))).status;
  }

  async #workFor(id: string, signal: AbortSignal): Promise<MigrationWork> {
    for (;;) {
      const { work } = await this.#client.work({ knownRevision: null, waitSeconds: 0 }, signal);
      const found = work.find((item) => item.id === id);
      if (found?.kind === 'migration') return found;
      await delay(20);
    }
  }

  async #poll(
    id: string,
    signal: AbortSignal,
    onWork: (work: MigrationWork) => void,
  ): Promise<void> {
    let knownRevision: string | null = null;
    while (!signal.aborted) {
      try {
        const reply = await this.#client.work({ knownRevision, waitSeconds: 5 }, signal);
        knownRevision = reply.revision;
        const found = reply.work.find((item) => item.id === id);
        if (found?.kind === 'migration') onWork(found);
      } catch {
        // The server may be down for a while; the pusher waits for it in its own way.
        await delay(50);
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const run of this.#runs) await run.stop();
    await this.#transport[Symbol.asyncDispose]();
  }
}
