import { renameSync, rmSync, writeFileSync } from 'node:fs';

import { finding } from '@linkspan/contract/api/findings.ts';
import type { ValidationReport } from '@linkspan/contract/push/validation.ts';
import type { MigrationWork, ValidationWork } from '@linkspan/contract/push/work.ts';
import { pino, type Logger } from 'pino';

import { startAdminPort } from './admin/port.ts';
import type { AgentConfig } from './config/config.ts';
import type { LinkTokenSource } from './config/linkToken.ts';
import { WriteBlockRecords } from './journal/writeBlockRecords.ts';
import { establishedLink, type Established } from './link/establish.ts';
import { runHeartbeat } from './link/heartbeat.ts';
import { HostLink } from './link/hostLink.ts';
import { StateDirectory } from './link/stateDirectory.ts';
import { type EngineOptions, MigrationFailedError } from './migration/context.ts';
import { trackWhilePaused } from './migration/pausedRunner.ts';
import { copyRanges } from './migration/rangeCopier.ts';
import { runMigration } from './migration/runner.ts';
import { tellInterrupted } from './migration/tellInterrupted.ts';
import { Backoff } from './push/backoff.ts';
import { HostClient } from './push/client.ts';
import { LinkRefusedError } from './push/errors.ts';
import { PusherOverHttp } from './push/pusherOverHttp.ts';
import { SubLeases } from './push/subLeases.ts';
import { PushTransport, TransientPushError } from './push/transport.ts';
import { redact } from './redact.ts';
import { describeDeployment } from './source/inventory.ts';
import { failed, type MeasureLink, validateSource } from './source/validation/validateSource.ts';
import { askOutcome } from './work/outcome.ts';
import { pollWork } from './work/poll.ts';
import { measureLink } from './work/measureLink.ts';
import { findDeployment, sourceUri, UnknownSourceError } from './work/sourceUri.ts';
import { liftLast, liftRefused } from './work/liftAtEnd.ts';
import { Supervisor, type CopyRun, type MigrationRun, type PausedRun } from './work/supervisor.ts';
import { WriteBlocks } from './work/writeBlocks.ts';

/** How long the server may take to be told why a run was interrupted, before the next one, in milliseconds. */
const TELL_MS = 5000;

/** A logger that writes JSON lines to standard output and no credentials into them. */
export function makeLogger(level: string): Logger {
  return pino({ name: 'linkspan-agent', level, hooks: { streamWrite: redact } });
}

export interface AgentStart {
  readonly config: AgentConfig;
  readonly linkToken: LinkTokenSource;
  readonly agentVersion: string;
  readonly log: Logger;
  /** How often write blocks are tried to be lifted. Tests make it small. */
  readonly liftPeriodMs?: number;
}

/** What lives as long as the process. */
interface Host extends AgentStart {
  readonly directory: StateDirectory;
  readonly writeBlocks: WriteBlocks;
  /** Writes the ready file, with what is known of the link. */
  readonly publish: (facts: object) => void;
}

/**
 * Links this host and does the work that the server wants of it, until the signal aborts. With an
 * admin port it waits for a link-token where it has none, and again when its link has ended.
 * @throws {ConfigurationError} if it cannot start
 * @throws {LinkRefusedError} without an admin port, once the link is refused: all work was stopped,
 *   journals are kept, and write blocks at sources were lifted, or the message names them
 */
export async function runAgent(start: AgentStart, signal: AbortSignal): Promise<void> {
  const { config, log, agentVersion } = start;
  using directory = new StateDirectory(config.options.stateDir);
  const { hostname, options, admin } = config;
  // One of an earlier run would say that this one is ready.
  if (options.readyFile !== undefined) rmSync(options.readyFile, { force: true });
  let adminUrl: string | null = null;
  const publish = (facts: object): void =>
    writeReadyFile(options.readyFile, {
      hostname,
      ...facts,
      ...(adminUrl === null ? {} : { adminUrl }),
    });
  const writeBlocks = new WriteBlocks({
    records: new WriteBlockRecords(directory.path),
    projects: config.projects,
    outcomeOf: (record, stop) => askOutcome(directory, config.tls, record, stop),
    log,
    ...(start.liftPeriodMs !== undefined && { periodMs: start.liftPeriodMs }),
  });
  const host: Host = { ...start, directory, writeBlocks, publish };
  const link = new HostLink(
    {
      directory,
      hostname,
      agentVersion,
      tls: config.tls,
      log,
      work: (established, onHeartbeat, stop) => work(host, established, onHeartbeat, stop),
      onUnlinked: admin === null ? null : () => publish({}),
    },
    signal,
  );
  const stop = new AbortController();
  const lifting = writeBlocks.run(stop.signal);
  try {
    // Before the port: whoever asks it has not to wait for what may come from a terminal.
    const token = establishedLink(directory) === null ? await start.linkToken() : null;
    await using port = admin === null ? null : await startAdminPort({ admin, hostname, link, log });
    adminUrl = port?.url ?? null;
    await link.run(token);
  } catch (error) {
    throw error instanceof LinkRefusedError ? await liftRefused(error, host, signal) : error;
  } finally {
    stop.abort();
    await lifting;
    await liftLast(writeBlocks);
  }
}

async function work(
  host: Host,
  link: Established,
  onHeartbeat: () => void,
  signal: AbortSignal,
): Promise<void> {
  const { config, log, agentVersion } = host;
  const { hostname, projects } = config;
  await using transport = new PushTransport(link.endpoint, config.tls);
  const client = new HostClient(transport, link);
  const stop = new AbortController();
  const either = AbortSignal.any([signal, stop.signal]);

  const supervisor = new Supervisor({
    log,
    onRefused: (error) => stop.abort(error),
    validate: (item, itemSignal) => validate(item, host, client, itemSignal),
    migrate: (run, runSignal) => migrate(run, host, link, transport, runSignal),
    track: (run, runSignal) => track(run, host, client, runSignal),
    copy: (run, runSignal) => copy(run, host, link, transport, runSignal),
    tellInterrupted: (item, reason, itemSignal) => tellOf(item, reason, host, client, itemSignal),
  });
  let reported = false;
  const onReported = (): void => {
    onHeartbeat();
    if (reported) return;
    reported = true;
    host.publish(publicFacts(link));
  };
  const { heartbeatSeconds } = link;
  const describe = describeDeployment;
  const heartbeat = { client, hostname, agentVersion, projects, heartbeatSeconds, describe, log };
  const loops = [
    runHeartbeat({ ...heartbeat, onReported }, either),
    pollWork(client, (items) => supervisor.apply(items), log, either),
  ];
  try {
    await Promise.all(loops);
  } catch (error) {
    const reason = error as Error;
    stop.abort(reason);
    await supervisor.stop(reason);
    await Promise.allSettled(loops);
    if (signal.aborted) return;
    throw reason;
  }
}

async function migrate(
  run: MigrationRun,
  { config, log, directory, writeBlocks }: Host,
  link: Established,
  transport: PushTransport,
  signal: AbortSignal,
): Promise<void> {
  const { work: item } = run;
  const uri = sourceUri(config.projects, item.source);
  using claim = await writeBlocks.claim(item, signal);
  const mode = run.wasFenced() ? { unlessInUse: true } : {};
  const pusher = new PusherOverHttp(transport, link, item.id, mode);
  try {
    await runMigration(
      {
        work: item,
        sourceUri: uri,
        journalPath: directory.journalPath(item.id),
        pusher,
        log: log.child({ migration: item.id }),
        cutoverAttempt: () => run.cutoverAttempt(),
        throttle: () => run.throttle(),
        verification: () => run.verification(),
        onWork: (listener) => run.onWork(listener),
        interrupted: () => run.interrupted(),
        options: engineOptions(config.options),
        writeBlock: claim.writeBlock,
        letGo: () => claim[Symbol.dispose](),
      },
      signal,
    );
  } catch (error) {
    // The server was told: started again, it would only be told that the migration has ended.
    if (!(error instanceof MigrationFailedError)) throw error;
    log.error({ migration: item.id, reason: error.message }, 'live migration failed');
  } finally {
    await pusher.close();
  }
}

async function copy(
  run: CopyRun,
  { config, log }: Host,
  link: Established,
  transport: PushTransport,
  signal: AbortSignal,
): Promise<void> {
  const { id, migrationId, source } = run.work;
  await copyRanges(
    {
      subLeases: new SubLeases(transport, link, id),
      sourceUri: sourceUri(config.projects, source),
      log: log.child({ migration: migrationId }),
      throttle: () => run.throttle(),
      onWork: (listener) => run.onWork(listener),
    },
    signal,
  );
}

async function track(
  { work: item, interrupted }: PausedRun,
  { config, log, directory }: Host,
  client: HostClient,
  signal: AbortSignal,
): Promise<void> {
  await trackWhilePaused(
    {
      migrationId: item.id,
      namespaces: item.namespaces ?? null,
      sourceUri: sourceUri(config.projects, item.source),
      journalPath: directory.journalPath(item.id),
      log: log.child({ migration: item.id }),
      report: (progress, reportSignal) => client.reportPaused(item.id, progress, reportSignal),
      interrupted,
    },
    signal,
  );
}

/** Tells the server why a run of a migration was interrupted, which has no session any more. */
async function tellOf(
  item: MigrationWork,
  reason: string,
  { directory, log }: Host,
  client: HostClient,
  signal: AbortSignal,
): Promise<void> {
  const either = AbortSignal.any([signal, AbortSignal.timeout(TELL_MS)]);
  await tellInterrupted(reason, {
    migrationId: item.id,
    journalPath: directory.journalPath(item.id),
    log: log.child({ migration: item.id }),
    report: (progress) =>
      item.paused === true
        ? client.reportPaused(item.id, progress, either)
        : client.reportWaiting(item.id, progress, either),
  });
}

async function validate(
  item: ValidationWork,
  host: Host,
  client: HostClient,
  signal: AbortSignal,
): Promise<void> {
  const { log } = host;
  const report = await reportOf(item, host, () => measureLink(client, item.id, signal), signal);
  const backoff = new Backoff();
  for (;;) {
    try {
      await client.reportValidation(item.id, report, signal);
      return;
    } catch (error) {
      if (!(error instanceof TransientPushError)) throw error;
      log.warn({ validation: item.id, reason: error.message }, 'a report did not reach the server');
      await backoff.pause(signal, error.retryAfterMs);
    }
  }
}

async function reportOf(
  item: ValidationWork,
  { config, directory }: Host,
  measure: MeasureLink,
  signal: AbortSignal,
): Promise<ValidationReport> {
  try {
    const uri = sourceUri(config.projects, item.source);
    const deployment = findDeployment(config.projects, item.source);
    const writeBlock =
      item.blockSourceWrites === true && deployment !== undefined
        ? { uri: deployment.uri, isAllowed: deployment.allowWriteBlock }
        : null;
    const namespaces = item.namespaces ?? null;
    const validated = { uri, namespaces, stateDirectory: directory.path, writeBlock };
    return await validateSource(validated, measure, signal);
  } catch (error) {
    if (!(error instanceof UnknownSourceError)) throw error;
    return failed(finding('SOURCE_UNKNOWN', `${error.message}.`));
  }
}

/** Whoever says how large ranges are to be wants them, however long the source takes to begin each. */
function engineOptions({ copyRangeBytes }: AgentConfig['options']): Partial<EngineOptions> {
  if (copyRangeBytes === undefined) return {};
  return { rangeBytes: copyRangeBytes, slowStartMs: Infinity };
}

function publicFacts({ hostId, orgId, linkId, endpoint }: Established) {
  return { hostId, orgId, linkId, endpoint };
}

/** Appears whole or not at all. */
function writeReadyFile(path: string | undefined, facts: object): void {
  if (path === undefined) return;
  writeFileSync(`${path}.new`, JSON.stringify(facts));
  renameSync(`${path}.new`, path);
}
