import { MAX_BODY_BYTES } from '@linkspan/contract/push/version.ts';
import type { TlsFiles } from '@linkspan/contract/tls/files.ts';
import type { FastifyPluginAsync } from 'fastify';
import type { Logger } from 'pino';

import { testConnection } from '../destination/probe.ts';
import { mayConnectTo, type AddressList } from '../domain/addresses.ts';
import type { DestinationProbe, LinkFence, MigrationFence, WorkSignal } from '../domain/ports.ts';
import type { SignInAudit } from '../operations/signInAudit.ts';
import type { Store } from '../store/store.ts';
import { ByteBudget, SizedBudget } from './byteBudget.ts';
import type { GatewayContext } from './context.ts';
import { dropCopied } from './dropCopied.ts';
import { PushError } from './errors.ts';
import { holdSessions, settleSessions } from './fence.ts';
import { Forwarding } from './forward.ts';
import { Inbound } from './inbound.ts';
import { HOST_REMOVED, LINK_REMOVED, Leases, MIGRATION_ENDED } from './leases.ts';
import { Looks } from './looks.ts';
import { createPlugin } from './plugin.ts';
import { Polls } from './polls.ts';
import { Sessions, SETTLED_TOPIC } from './sessions.ts';
import { Wakes } from './wakes.ts';

export interface GatewayDependencies {
  readonly store: Store;
  readonly log: Logger;
  /** Is told of hosts and link-tokens that are known and refused (rule C11). */
  readonly audit: Pick<SignInAudit, 'failed'>;
  /** Networks that destinations may have although they are on this server's side (rule C13). */
  readonly allowedNetworks: AddressList;
  /** How long a push session belongs to this node without being renewed, in milliseconds. */
  readonly leaseMs: number;
  /** Whether agents have to show a certificate. */
  readonly agentCertificates: boolean;
  /** What other nodes' certificates are signed by. */
  readonly nodeTls: TlsFiles;
}

/** The push protocol's server end: what agents push to, and what ends their pushing. */
export interface Gateway extends LinkFence, MigrationFence, DestinationProbe, WorkSignal {
  /** The routes, relative to the protocol's base. */
  readonly plugin: FastifyPluginAsync;
  start(): Promise<void>;
  /** @param url where other nodes reach this one; null: they do not */
  announce(url: string | null): Promise<void>;
  /**
   * Takes no new sessions, refuses what comes, waits for what is under way, and gives the sessions back:
   * another node may take them at once. The rest goes on.
   */
  drain(): Promise<void>;
  /** Refuses what comes, waits for what is under way, and closes the connections to destinations. */
  close(): Promise<void>;
}

/** Decompressed bodies that wait or are being written, in bytes. */
const BODIES_BYTES = MAX_BODY_BYTES + 32 * 1024 * 1024;
/** How long a stop waits for the answers of destinations, in milliseconds. */
const CLOSE_MS = 10_000;

/** Signals between nodes: something of that link has changed. */
const LINK_TOPIC = 'link';

export function createGateway({
  store,
  log,
  audit,
  allowedNetworks,
  leaseMs,
  agentCertificates,
  nodeTls,
}: GatewayDependencies): Gateway {
  const stopped = new AbortController();
  const signals = new DisposableStack();
  const stop = (): void => stopped.abort(new Error('the server is stopping'));
  const mayConnect = (address: string): boolean => mayConnectTo(address, allowedNetworks);
  const sessions = new Sessions(store);
  const wakes = new Wakes();
  const announce = (linkId: string): void => {
    wakes.changed(linkId);
    if (!store.dialect.isShared) return;
    // One that it does not reach looks by itself.
    void store.signals.send(store.db, LINK_TOPIC, linkId).catch(() => {});
  };
  const leases = new Leases({ store, sessions, log, termMs: leaseMs, stopping: stopped.signal });
  const forwarding = new Forwarding(store, nodeTls);
  const context: GatewayContext = {
    store,
    log,
    audit,
    mayConnect,
    sessions,
    leases,
    forwarding,
    agentCertificates,
    wakes,
    polls: new Polls(),
    looks: new Looks(store),
    announce,
    budget: new SizedBudget(new ByteBudget(BODIES_BYTES)),
    inbound: new Inbound(),
    stopping: stopped.signal,
  };
  return {
    plugin: createPlugin(context, stop),
    settle(linkId, signal) {
      announce(linkId);
      return settleSessions(context, { linkId }, LINK_REMOVED, signal);
    },
    settleHost(linkId, hostId, signal) {
      announce(linkId);
      return settleSessions(context, { hostId }, HOST_REMOVED, signal);
    },
    settleMigration: (migrationId, signal) =>
      settleSessions(context, { migrationId }, MIGRATION_ENDED, signal),
    dropCopied: (migrationId, signal) => dropCopied(context, migrationId, signal),
    holdMigration: (migrationId) => holdSessions(context, migrationId),
    obstacle: (sessionId) => sessions.obstacle(sessionId),
    test: (uri, signal) => testConnection(uri, mayConnect, signal),
    changed: announce,
    async start() {
      signals.use(
        store.signals.on(LINK_TOPIC, (linkId) => {
          wakes.changed(linkId);
          void leases.look();
        }),
      );
      signals.use(store.signals.on(SETTLED_TOPIC, (sessionId) => wakes.changed(sessionId)));
      await store.signals.listening();
      await leases.start();
    },
    announce: (url) => leases.announce(url),
    async drain() {
      stop();
      await closeSessions(context);
    },
    async close() {
      stop();
      signals.dispose();
      await closeSessions(context);
      await leases.close();
      await forwarding[Symbol.asyncDispose]();
    },
  };
}

/** A session that cannot be settled in time stays open in the store: its successor waits for it. */
async function closeSessions({ sessions, log }: GatewayContext): Promise<void> {
  const reason = new PushError('SESSION_UNKNOWN', 'The server is stopping.');
  const signal = AbortSignal.timeout(CLOSE_MS);
  await Promise.all(
    sessions.list().map(async (session) => {
      try {
        await sessions.retire(session, reason, signal);
      } catch (error) {
        const { clusterName: cluster } = session.identity;
        log.warn({ err: error, cluster }, 'writes may be left under way at the destination');
        await session.destination.close();
      }
    }),
  );
}
