import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { zstdCompress } from 'node:zlib';

import type { BatchHeader } from '@linkspan/contract/push/batch.ts';
import type { DocumentsReply, OpenSessionReply } from '@linkspan/contract/push/session.ts';
import type { StructureRequest } from '@linkspan/contract/push/structure.ts';
import {
  PUSH_BASE,
  PUSH_VERSION,
  SESSION_HEADER,
  VERSION_HEADER,
} from '@linkspan/contract/push/version.ts';
import { failCommands } from '@linkspan/testkit/failPoints.ts';
import { startMongoDB, type MongoDB } from '@linkspan/testkit/mongodb.ts';
import { BSON, Int32, type Document } from 'mongodb';
import { afterAll, beforeAll, expect } from 'vitest';

import { loadConfig } from '../../src/config/config.ts';
import { makeLogger } from '../../src/config/logger.ts';
import type { Principal } from '../../src/domain/access.ts';
import { addressList } from '../../src/domain/addresses.ts';
import { newId } from '../../src/domain/ids.ts';
import { timestamp } from '../../src/domain/time.ts';
import { createGateway, type Gateway } from '../../src/gateway/gateway.ts';
import { initOrganization } from '../../src/init.ts';
import { startServer, type RunningServer } from '../../src/main.ts';
import type { OperationContext } from '../../src/operations/context.ts';
import * as clusters from '../../src/store/clusters.ts';
import * as links from '../../src/store/links.ts';
import * as liveMigrations from '../../src/store/liveMigrations.ts';
import * as projects from '../../src/store/projects.ts';
import * as pushSessions from '../../src/store/pushSessions.ts';
import type { LiveMigrationRow } from '../../src/store/schema.ts';
import type { Store } from '../../src/store/store.ts';
import { testDatabase } from '../support/postgresql.ts';

const compress = promisify(zstdCompress);
export const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest();

export interface Answer {
  readonly status: number;
  readonly bytes: Buffer;
  /** Nothing checks its shape. */
  readonly json: Readonly<Record<string, unknown>>;
  /** `errorCode`, or undefined. */
  readonly code: unknown;
}

/** A linked migration host that pushes over real HTTP. */
export class TestHost {
  readonly hostId = newId();
  readonly hostSecret = randomBytes(32).toString('hex');
  readonly #url: () => string;

  constructor(url: () => string) {
    this.#url = url;
  }

  get authorization(): string {
    return `Bearer ${this.hostId}.${this.hostSecret}`;
  }

  async post(
    path: string,
    body: object | Uint8Array,
    headers: Record<string, string> = {},
    signal?: AbortSignal,
  ): Promise<Answer> {
    const response = await fetch(this.#url() + PUSH_BASE + path, {
      method: 'POST',
      headers: {
        authorization: this.authorization,
        [VERSION_HEADER]: String(PUSH_VERSION),
        'content-type': 'application/json',
        ...headers,
      },
      body: body instanceof Uint8Array ? Buffer.from(body) : JSON.stringify(body),
      ...(signal === undefined ? {} : { signal }),
    });
    const bytes = Buffer.from(await response.arrayBuffer());
    let json: Record<string, unknown> = {};
    try {
      json = JSON.parse(bytes.toString('utf8')) as Record<string, unknown>;
    } catch {
      // BSON, or nothing.
    }
    return { status: response.status, bytes, json, code: json['errorCode'] };
  }

  register(token: string): Promise<Answer> {
    const message = {
      hostId: this.hostId,
      hostSecret: this.hostSecret,
      hostname: 'host-1',
      agentVersion: '0.1.0',
    };
    return this.post('/hosts', message, { authorization: `Bearer ${token}` });
  }

  open(migrationId: string): Promise<Answer> {
    return this.post(`/migrations/${migrationId}/sessions`, {});
  }

  async session(migrationId: string): Promise<TestSession> {
    const answer = await this.open(migrationId);
    if (answer.status !== 200) throw new Error(answer.bytes.toString());
    return new TestSession(this, answer.json as unknown as OpenSessionReply);
  }
}

/** An open push session. */
export class TestSession {
  readonly opened: OpenSessionReply;
  readonly #host: TestHost;

  constructor(host: TestHost, opened: OpenSessionReply) {
    this.#host = host;
    this.opened = opened;
  }

  post(
    path: string,
    body: object | Uint8Array,
    headers: Record<string, string> = {},
    signal?: AbortSignal,
  ): Promise<Answer> {
    const { sessionId, sessionSecret } = this.opened;
    return this.#host.post(
      `/sessions/${sessionId}/${path}`,
      body,
      { [SESSION_HEADER]: `${sessionId}.${sessionSecret}`, ...headers },
      signal,
    );
  }

  structure(request: StructureRequest): Promise<Answer> {
    return this.post('structure', BSON.serialize(request));
  }

  collection(db: string, coll: string): Promise<Answer> {
    return this.structure({ action: 'collection', db, coll, options: {}, indexes: [] });
  }

  async documents(
    header: Partial<BatchHeader>,
    documents: readonly (Document | Uint8Array)[],
    signal?: AbortSignal,
  ): Promise<Answer & { readonly json: Partial<DocumentsReply> }> {
    const body = await documentsBody(header, documents);
    const headers = { 'content-encoding': 'zstd' };
    return (await this.post('documents', body, headers, signal)) as Answer & {
      json: Partial<DocumentsReply>;
    };
  }
}

/** Compressed: inserts into `app.c` where the header says nothing else. */
export async function documentsBody(
  header: Partial<BatchHeader>,
  documents: readonly (Document | Uint8Array)[],
): Promise<Uint8Array> {
  const head = { op: 'insert', db: 'app', coll: 'c', lane: 0, seq: 1, ...header };
  return compress(
    Buffer.concat(
      [head, ...documents].map((one) => (one instanceof Uint8Array ? one : BSON.serialize(one))),
    ),
  );
}

export interface TestPush extends AsyncDisposable {
  readonly mongo: MongoDB;
  readonly store: Store;
  readonly gateway: Gateway;
  readonly orgId: string;
  readonly linkId: string;
  /** Not presented yet. */
  readonly token: string;
  readonly url: () => string;
  makeMigration(host: TestHost, change?: Partial<LiveMigrationRow>): Promise<string>;
  /** Another server on the same store, without what the first one had in memory. */
  restart(): Promise<void>;
  /** Starts another node beside it, on a store that can be shared. @returns its URL, and how to stop it */
  node(): Promise<RunningServer>;
}

/**
 * On the embedded store, or on PostgreSQL where LINKSPAN_TEST_STORE says so: a whole server with a
 * link whose token is unused, and a destination cluster `target`.
 * @param storeUrl of an empty database that it is to use in any case
 */
export async function startPush(storeUrl?: string): Promise<TestPush> {
  await using resources = new AsyncDisposableStack();
  const mongo = resources.use(await startMongoDB({ name: 'destination' }));
  const dataDirectory = mkdtempSync(join(tmpdir(), 'linkspan-gateway-'));
  resources.defer(() => rmSync(dataDirectory, { recursive: true, force: true }));
  const database = storeUrl === undefined ? await testDatabase() : null;
  if (database !== null) resources.use(database);
  const url = storeUrl ?? database?.url;
  const flags = { dataDir: dataDirectory, port: '0', allowedNetworks: '127.0.0.0/8' };
  const environment = url === undefined ? {} : { LINKSPAN_SERVER_STORE: url };
  const config = loadConfig(flags, environment);
  const { organization } = await initOrganization(config.store, 'Test');
  let gateway: Gateway | undefined;
  let store: Store | undefined;
  const start = (): Promise<RunningServer> =>
    startServer({
      config,
      log: makeLogger('silent'),
      createGateway: (dependencies) => {
        store = dependencies.store;
        gateway = createGateway(dependencies);
        return gateway;
      },
    });
  let server = await start();
  resources.defer(() => server.close());

  const held = (): Store => store as Store;
  const orgId = organization.id;
  const [projectId, clusterId, linkId] = [newId(), newId(), newId()];
  const token = `token-${randomBytes(8).toString('hex')}`;
  const now = timestamp();
  await held().transaction(async (tx) => {
    await projects.insert(tx, {
      id: projectId,
      org_id: orgId,
      name: 'P',
      created_at: now,
      tags: '[]',
      kept: '{}',
    });
    await clusters.insert(tx, {
      id: clusterId,
      project_id: projectId,
      name: 'target',
      uri_sealed: held().sealer.seal(clusters.uriIdentity(clusterId), mongo.uri),
      facts: null,
      created_at: now,
    });
    await links.insert(tx, {
      id: linkId,
      org_id: orgId,
      api_key_id: null,
      state: 'PENDING',
      token_hash: sha256(token),
      token_expires_at: timestamp(new Date(Date.now() + 3_600_000)),
      token_host_id: null,
      access_list: '[]',
      created_at: now,
      suspended_at: null,
    });
  });
  const owned = resources.move();
  return {
    mongo,
    get store() {
      return held();
    },
    get gateway() {
      return gateway as Gateway;
    },
    orgId,
    linkId,
    token,
    url: () => server.url,
    async makeMigration(host, change = {}) {
      const id = newId();
      await liveMigrations.insert(held().db, {
        ...liveMigrations.NEW_LIVE_MIGRATION,
        id,
        project_id: projectId,
        link_id: linkId,
        host_id: host.hostId,
        hostname: 'host-1',
        cluster_id: clusterId,
        source: JSON.stringify({
          projectId: newId(),
          clusterName: 'source',
          managedAuthentication: false,
          username: 'reader',
          ssl: false,
          caCertificatePath: null,
        }),
        password_sealed: held().sealer.seal(liveMigrations.passwordIdentity(id), 'source secret'),
        drop_destination_data: 0,
        created_at: timestamp(),
        namespaces: null,
        throttle: null,
        window_hours: 120,
        block_source_writes: 0,
        cutover_verification: 'CHANGED',
        ...change,
      });
      return id;
    },
    async restart() {
      await server.close();
      server = await start();
    },
    node: () => startServer({ config, log: makeLogger('silent') }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** What `app.c` holds at the destination, by `_id`. */
export function stored({ mongo }: TestPush): Promise<Document[]> {
  const options = { sort: { _id: 1 } } as const;
  return mongo.client().db('app').collection('c').find({}, options).toArray();
}

export function numbered(...ids: number[]): Document[] {
  return ids.map((_id) => ({ _id: new Int32(_id) }));
}

/** Held back for so long, where a test does several things meanwhile: on a busy machine, too. */
export const HOLD_MS = 3000;

/** And where it only waits until what was held has landed. */
export const LANDING_MS = 1500;

/**
 * The destination holds the next `times` of the commands back, each for so many milliseconds. Needs the
 * capability `failCommand`.
 */
export async function holdBack(
  { mongo }: TestPush,
  commands: readonly string[],
  blockTimeMS: number,
  times = commands.length,
): Promise<void> {
  await failCommands(mongo, { failCommands: commands, blockConnection: true, blockTimeMS }, times);
}

/** So long a command may be on its way to the destination. */
const ARRIVAL_MS = 30_000;

/**
 * Until a command of a session is under way at the destination.
 * @throws {Error} if it is not seen there: it never came, or was over between two looks
 */
export async function untilRunning(
  push: TestPush,
  { opened }: TestSession,
  op: string,
): Promise<void> {
  const row = await pushSessions.find(push.store.db, opened.sessionId);
  const deadline = performance.now() + ARRIVAL_MS;
  while (performance.now() < deadline) {
    const { inprog } = await push.mongo.client().db('admin').command({ currentOp: 1 });
    const running = (inprog as Document[]).some(
      (one) =>
        (one['op'] === op || one['command']?.[op] !== undefined) &&
        one['clientMetadata']?.application?.name === row?.connection_name,
    );
    if (running) return;
  }
  throw new Error(`within ${ARRIVAL_MS} ms no ${op} of the session was seen at the destination`);
}

/** An owner of the organization. */
export function ownerOf({ orgId }: TestPush): Principal {
  return {
    orgId,
    credential: { kind: 'apiKey', apiKeyId: newId(), publicKey: 'abcdefgh' },
    orgRoles: new Set(['ORG_OWNER']),
    projectRoles: new Map(),
    remoteAddress: '127.0.0.1',
  };
}

/** What operations work with, over the server's own store and gateway. */
export function operationContext(push: TestPush, waitMs = 20_000): OperationContext {
  return {
    store: push.store,
    fence: push.gateway,
    probe: push.gateway,
    work: push.gateway,
    publicUrl: push.url,
    allowedNetworks: addressList([]),
    removalWaitMs: waitMs,
    windowHours: 120,
    linkTokenHours: 24,
    log: { info: () => {}, warn: () => {}, error: () => {} },
  };
}

/** Of the file that runs: see {@link withHost}. */
export let push: TestPush;
export let host: TestHost;

/** A server with a destination and a linked migration host for the tests of the file. */
export function withHost(): void {
  beforeAll(async () => {
    push = await startPush();
    host = new TestHost(push.url);
    expect(await host.register(push.token)).toMatchObject({
      status: 200,
      json: { orgId: push.orgId, linkId: push.linkId },
    });
  });
  afterAll(async () => {
    await push?.[Symbol.asyncDispose]();
  });
}
