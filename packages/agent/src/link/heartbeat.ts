import { setTimeout as delay } from 'node:timers/promises';

import type { Deployment, Inventory } from '@linkspan/contract/push/host.ts';
import type { Logger } from 'pino';

import type { ConfiguredDeployment, ConfiguredProject } from '../config/config.ts';
import { Backoff } from '../push/backoff.ts';
import type { HostClient } from '../push/client.ts';
import { TransientPushError } from '../push/transport.ts';

/** A description is made anew after this time; one that failed at every heartbeat. */
const REFRESH_MS = 5 * 60_000;

export interface HeartbeatOptions {
  readonly client: Pick<HostClient, 'inventory'>;
  readonly hostname: string;
  readonly agentVersion: string;
  readonly projects: readonly ConfiguredProject[];
  readonly heartbeatSeconds: number;
  readonly describe: (name: string, uri: string) => Promise<Deployment>;
  readonly log: Logger;
  /** Called whenever the server has taken what this host can read. */
  readonly onReported: () => void;
}

interface Described {
  deployment: Deployment | null;
  at: number;
  refreshing: Promise<void> | null;
  failure: string | null;
}

/**
 * Reports what this host can read at every heartbeat, until the signal aborts. A deployment that
 * cannot be reached is shown as it was last seen, and not at all before it was seen once; it never
 * delays a heartbeat but the first.
 * @throws {LinkRefusedError} | {PushRefusedError}
 * @throws the signal's reason
 */
export async function runHeartbeat(options: HeartbeatOptions, signal: AbortSignal): Promise<void> {
  const described = new Map<ConfiguredDeployment, Described>();
  for (const deployment of options.projects.flatMap(({ deployments }) => deployments)) {
    described.set(deployment, { deployment: null, at: 0, refreshing: null, failure: null });
  }
  // A source that cannot be reached must not keep a host that is told to stop.
  await unlessAborted(Promise.all(refreshStale(described, options)), signal);
  const backoff = new Backoff();
  for (;;) {
    try {
      await options.client.inventory(inventoryOf(options, described), signal);
      backoff.reset();
      options.onReported();
      await delay(options.heartbeatSeconds * 1000, undefined, { signal });
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof TransientPushError)) throw error;
      options.log.warn({ reason: error.message }, 'the heartbeat did not reach the server');
      await backoff.pause(signal, error.retryAfterMs);
    }
    void Promise.all(refreshStale(described, options));
  }
}

/** @throws the signal's reason */
async function unlessAborted(waited: Promise<unknown>, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(signal.reason as Error);
  signal.addEventListener('abort', abort, { once: true });
  try {
    await Promise.race([waited, promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

function refreshStale(
  described: ReadonlyMap<ConfiguredDeployment, Described>,
  options: HeartbeatOptions,
): Promise<void>[] {
  return [...described].map(([deployment, entry]) => {
    const fresh = entry.failure === null && performance.now() - entry.at < REFRESH_MS;
    if (entry.deployment !== null && fresh) return Promise.resolve();
    entry.refreshing ??= refresh(deployment, entry, options).finally(() => {
      entry.refreshing = null;
    });
    return entry.refreshing;
  });
}

/** Never rejects. */
async function refresh(
  { name, uri }: ConfiguredDeployment,
  entry: Described,
  { describe, log }: HeartbeatOptions,
): Promise<void> {
  try {
    entry.deployment = await describe(name, uri);
    entry.at = performance.now();
    if (entry.failure !== null) log.info({ deployment: name }, 'the deployment is reachable again');
    entry.failure = null;
  } catch (error) {
    const reason = (error as Error).message;
    // Once for each reason, not at each heartbeat.
    if (entry.failure !== reason)
      log.warn({ deployment: name, reason }, 'cannot read a deployment');
    entry.failure = reason;
  }
}

function inventoryOf(
  options: HeartbeatOptions,
  described: ReadonlyMap<ConfiguredDeployment, Described>,
): Inventory {
  return {
    hostname: options.hostname,
    agentVersion: options.agentVersion,
    projects: options.projects.map(({ id, name, deployments }) => ({
      projectId: id,
      name,
      deployments: deployments
        .map((deployment) => described.get(deployment)?.deployment ?? null)
        .filter((deployment) => deployment !== null),
    })),
  };
}
