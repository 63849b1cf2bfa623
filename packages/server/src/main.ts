import { renameSync, writeFileSync } from 'node:fs';
import type { Server as TlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { ServerConfig } from './config/config.ts';
import { addressList } from './domain/addresses.ts';
import { openControlSocket } from './control/socket.ts';
import { createGateway, type Gateway, type GatewayDependencies } from './gateway/gateway.ts';
import { cutConnections } from '@linkspan/contract/serving/closing.ts';
import type { SharedNonceUse } from '@linkspan/contract/serving/digest.ts';
import { NONCE_LIFETIME_MS, Nonces } from '@linkspan/contract/serving/nonces.ts';
import { Certificates } from './http/certificates.ts';
import {
  InProcessRateLimiter,
  type RateLimiter,
  scaled,
  SharedRateLimiter,
  UNLIMITED,
} from './http/rateLimit.ts';
import { createHttpServer } from './http/server.ts';
import { AccessListUse } from './operations/accessListUse.ts';
import { AccessTokens } from './operations/accessTokens.ts';
import type { OperationContext } from './operations/context.ts';
import { createDirectory } from './operations/directory.ts';
import { HostRemoval } from './operations/hostRemoval.ts';
import { HostReplacement } from './operations/hostReplacement.ts';
import { LinkRemoval } from './operations/linkRemoval.ts';
import { LiveMigrationControl } from './operations/liveMigrationControl.ts';
import { SharedStateSweep } from './operations/sharedStateSweep.ts';
import { SignInAudit } from './operations/signInAudit.ts';
import { SignInBackoff } from './operations/signInBackoff.ts';
import { SignIns } from './operations/signIns.ts';
import { ValidationExpiry } from './operations/validationExpiry.ts';
import { WindowExpiry } from './operations/windowExpiry.ts';
import { allEndpoints } from './routes/endpoints.ts';
import { requireOwnKey } from './store/masterKey.ts';
import * as nonceUses from './store/nonceUses.ts';
import { openStore } from './store/open.ts';
import type { Store } from './store/store.ts';

const DAY_MS = 24 * 60 * 60_000;

/** How long a stopping server goes on answering what is under way, in milliseconds. */
const CLOSE_GRACE_MS = 10_000;

export interface ServerStart {
  readonly config: ServerConfig;
  readonly log: Logger;
  /** For tests of the control plane alone. */
  readonly createGateway?: (dependencies: GatewayDependencies) => Gateway;
  readonly closeGraceMs?: number;
  readonly headersTimeoutMs?: number;
}

/** A server that listens. */
export interface RunningServer extends AsyncDisposable {
  /** What it listens on, without a slash at its end. */
  readonly url: string;
  /** Gives its push sessions back, answers what is under way, cuts what sends nothing, then stops. */
  close(): Promise<void>;
}

/**
 * Opens the store and listens.
 * @throws {StoreLockedError | StoreTooNewError | MasterKeyError} if the store cannot be opened
 * @throws {TlsFileError} if the certificate cannot be used
 */
export async function startServer({
  config,
  log,
  createGateway: makeGateway = createGateway,
  closeGraceMs = CLOSE_GRACE_MS,
  headersTimeoutMs,
}: ServerStart): Promise<RunningServer> {
  const { options } = config;
  await using resources = new AsyncDisposableStack();
  const store = resources.use(await openStore(config.store));
  stateDurability(store, log);
  const allowedNetworks = addressList(config.allowedNetworks);
  const audit = new SignInAudit(store, log);
  const accessListUse = new AccessListUse(store, log);
  const leaseMs = options.leaseSeconds * 1000;
  const gateway = makeGateway({
    store,
    log,
    audit,
    allowedNetworks,
    leaseMs,
    agentCertificates: config.tls !== null && config.tls.caFile !== null,
    nodeTls: config.nodeTls,
  });
  const certificates = config.tls === null ? null : new Certificates(config.tls, log);
  let publicUrl = config.publicUrl ?? '';
  let isDraining = false;
  const context: OperationContext = {
    store,
    fence: gateway,
    probe: gateway,
    work: gateway,
    publicUrl: () => publicUrl,
    allowedNetworks,
    removalWaitMs: options.removalWaitSeconds * 1000,
    windowHours: options.windowHours,
    linkTokenHours: options.linkTokenHours,
    log,
  };
  const removal = new LinkRemoval(context);
  const control = new LiveMigrationControl(context);
  const hostRemoval = new HostRemoval(context);
  const replacement = new HostReplacement(context, options.hostSilenceSeconds * 1000);
  const expiry = new ValidationExpiry(context);
  const sweep = new SharedStateSweep(store, log);
  const windows = new WindowExpiry(context, (id) => control.settle(id));
  const app = await createHttpServer({
    nonces: noncesOf(store),
    sharedNonceUse: sharedNonceUseOf(store),
    directory: createDirectory(store),
    accessTokens: new AccessTokens(store, {
      issuer: () => publicUrl,
      rotationMs: options.signingKeyDays * DAY_MS,
    }),
    signIns: new SignIns(audit, new SignInBackoff()),
    accessListUse,
    rateLimiter: options.rateLimits ? rateLimiterOf(store) : UNLIMITED,
    rateLimitPercent: options.rateLimitPercent,
    publicUrl: () => publicUrl,
    goneVersions: new Set(config.goneVersions),
    endpoints: allEndpoints(context, removal, control, hostRemoval).map((endpoint) => ({
      ...endpoint,
      limits: scaled(endpoint.limits, options.rateLimitPercent),
    })),
    gateway: gateway.plugin,
    health: { isDraining: () => isDraining, askStore: () => store.now() },
    logger: log,
    trustedProxies: config.trustedProxies,
    certificates,
    maxConnections: options.maxConnections,
    ...(headersTimeoutMs === undefined ? {} : { headersTimeoutMs }),
  });
  resources.defer(() => audit.close());
  resources.defer(() => accessListUse.close());
  resources.defer(() => app.close());
  // Before the server waits for what is under way: removals and polls would keep it waiting.
  app.addHook('preClose', async () => {
    const parts = [removal, control, hostRemoval, replacement, expiry, windows, sweep];
    await Promise.all(parts.map((part) => part.close()));
    await gateway.close();
    cutConnections(app.server, closeGraceMs);
  });
  if (store.embedded !== null) {
    resources.use(await openControlSocket(config.store.dataDirectory, store.embedded, log));
  }
  await gateway.start();
  await removal.start();
  await hostRemoval.start();
  await control.start();
  expiry.start();
  sweep.start();
  windows.start();
  replacement.start();
  audit.start();
  accessListUse.start();
  await app.listen({ host: options.host, port: options.port });
  if (certificates !== null) resources.use(certificates.watch(app.server as TlsServer));
  const url = urlOf(app.server.address() as AddressInfo, certificates !== null);
  if (config.publicUrl === null) {
    publicUrl = url;
    if (isAnyAddress(options.host)) {
      log.warn('link-tokens will name this machine only: set --public-url for agents elsewhere');
    }
  }
  const nodeUrl = config.nodeUrl ?? (isAnyAddress(options.host) ? null : url);
  if (nodeUrl === null && store.dialect.isShared) {
    log.warn('other server nodes cannot reach this one: set --node-url');
  }
  await gateway.announce(nodeUrl);
  await requireOwnKey(store);
  log.info({ url, publicUrl }, 'listening');
  writeReadyFile(options.readyFile, url);
  const owned = resources.move();
  const close = async (): Promise<void> => {
    isDraining = true;
    await gateway.drain();
    await delay(options.drainSeconds * 1000);
    await owned.disposeAsync();
  };
  return { url, close, [Symbol.asyncDispose]: close };
}

function rateLimiterOf(store: Store): RateLimiter {
  return store.dialect.isShared ? new SharedRateLimiter(store) : new InProcessRateLimiter();
}

function noncesOf({ sealer }: Store): Nonces {
  const [key, ...others] = sealer.deriveKeys('digest nonces');
  return new Nonces(key, undefined, others);
}

/** A nonce is good for this long at most, also on a node whose clock is behind (rule C7). */
const NONCE_MS = 2 * NONCE_LIFETIME_MS;

function sharedNonceUseOf(store: Store): SharedNonceUse | null {
  const { dialect } = store;
  if (!dialect.isShared) return null;
  return (nonce, count) => nonceUses.add(store.db, dialect, { nonce, count, lifeMs: NONCE_MS });
}

/** For whoever has to know what a crash of the machine can take (rule C14). */
function stateDurability({ dialect, durability }: Store, log: Logger): void {
  const { settings, warnings } = durability;
  log.info({ store: dialect.name, ...settings }, 'what the store has committed outlives a crash');
  for (const warning of warnings) log.warn({ store: dialect.name }, warning);
}

/** Runs a server until the signal aborts. Throws as {@link startServer} does. */
export async function runServer(start: ServerStart, signal: AbortSignal): Promise<void> {
  await using server = await startServer(start);
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
  start.log.info({ url: server.url }, 'stopping');
}

function isAnyAddress(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}

function urlOf({ address, port, family }: AddressInfo, isTls: boolean): string {
  const host = isAnyAddress(address) ? '127.0.0.1' : address;
  return `http${isTls ? 's' : ''}://${family === 'IPv6' && !isAnyAddress(address) ? `[${host}]` : host}:${port}`;
}

/** Appears whole or not at all. */
function writeReadyFile(path: string | undefined, url: string): void {
  if (path === undefined) return;
  writeFileSync(`${path}.new`, JSON.stringify({ url }));
  renameSync(`${path}.new`, path);
}
