import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type LinkspanProcess, startServer } from '@linkspan/testkit/processes.ts';
import { sql } from 'kysely';
import { afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { initOrganization } from '../../src/init.ts';
import { TableDigest, type Row } from '../../src/store/maintenance/tables.ts';
import { connect, openStore, type StoreOptions } from '../../src/store/open.ts';
import { TRANSIENT_TABLES } from '../../src/store/schema.ts';
import type { Endpoint } from '../../src/http/endpoint.ts';
import { API_BASES, isServedAt } from '../../src/http/version.ts';
import { apiClient, type Credentials } from '../support/api.ts';
import type { KillAt } from '../support/killInTransaction.ts';
import { everyEndpoint } from '../support/endpoints.ts';
import { startTestServer } from '../support/server.ts';
import { testDatabase, type TestDatabase } from '../support/postgresql.ts';
import { type Change, changes, type Step } from './changes.ts';

vi.setConfig({ testTimeout: 600_000 });

const PRELOAD = fileURLToPath(new URL('../support/killInTransaction.ts', import.meta.url));

let directory: string;
let database: TestDatabase | null;
let options: StoreOptions;
let orgId: string;
let owner: Credentials;
let server: LinkspanProcess | null = null;
let endpoints: readonly Endpoint[];
beforeAll(async () => {
  await using described = await startTestServer({}, null);
  endpoints = everyEndpoint(described);
});
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'linkspan-killed-'));
  database = await testDatabase();
  options = {
    dataDirectory: join(directory, 'data'),
    masterKeyFile: null,
    ...(database === null ? {} : { url: database.url }),
  };
  const made = await initOrganization(options, 'Organization');
  orgId = made.organization.id;
  owner = made.apiKey;
});
afterEach(async () => {
  await server?.stop();
  server = null;
  isUp = false;
  await database?.[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true });
});

const killFile = () => join(directory, 'kill-at');
const url = () => (server?.ready as { url: string } | undefined)?.url ?? 'no server runs';

let isUp = false;

async function down(): Promise<void> {
  await server?.kill();
  isUp = false;
}

async function up(): Promise<void> {
  if (isUp) return;
  isUp = true;
  rmSync(killFile(), { force: true });
  if (server !== null) return server.restart();
  server = await startServer({
    args: [
      '--data-dir',
      options.dataDirectory,
      '--port',
      '0',
      '--log-level',
      'error',
      '--allowed-networks',
      '127.0.0.0/8',
      '--rate-limits',
      'false',
    ],
    env: {
      NODE_OPTIONS: `--import ${PRELOAD}`,
      LINKSPAN_TEST_KILL_AT: killFile(),
      ...(options.url === undefined ? {} : { LINKSPAN_SERVER_STORE: options.url }),
    },
    directory,
    keep: true,
  });
}

/** From here on the server counts its transactions. */
function arm(killAt: KillAt): void {
  writeFileSync(`${killFile()}.new`, JSON.stringify(killAt));
  renameSync(`${killFile()}.new`, killFile());
}

type Snapshot = ReadonlyMap<string, TableDigest>;

/** What is there for good. Of the embedded store only while no server runs. */
async function snapshot(): Promise<Snapshot> {
  const { db, dialect, close } = connect(options);
  const tables = new Map<string, TableDigest>();
  try {
    for (const name of await dialect.tables(db)) {
      if ((TRANSIENT_TABLES as readonly string[]).includes(name)) continue;
      const { rows } = await sql<Row>`select * from ${sql.table(name)}`.execute(db);
      const digest = new TableDigest();
      digest.add(rows, Object.keys(rows[0] ?? {}));
      tables.set(name, digest);
    }
  } finally {
    await close();
  }
  return tables;
}

function changeOf(before: Snapshot, after: Snapshot): Change {
  const changed = [...after].filter(([name, { value }]) => value !== before.get(name)?.value);
  return Object.fromEntries(
    changed.map(([name, { rows }]) => [name, rows - (before.get(name)?.rows ?? 0)]),
  );
}

/** From a seed, so that a walk can be walked again: of one in every run, another by LINKSPAN_TEST_SEED. */
function makeRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Somewhere in what the step does to the store. */
function somewhere({ change, goneOn }: Step, random: () => number): KillAt {
  const transaction = goneOn !== undefined && random() < 0.5 ? 2 : 1;
  // The second one changes less. What goes along by a foreign key is no statement: then it goes well.
  const statements = transaction === 1 ? Object.keys(change).length : 1;
  const places: KillAt['at'][] = [
    ...Array.from({ length: statements }, (_, index) => index + 1),
    'before its commit',
    'after its commit',
  ];
  return { transaction, at: places[Math.floor(random() * places.length)] ?? 1 };
}

/** So many in a row, of which each costs two starts of a server; `all`: every one. */
const KILLS = process.env['LINKSPAN_TEST_KILLS'] ?? '4';

function everyStep(): Step[] {
  return changes({ orgId, url, open: () => openStore(options) });
}

/** Takes a step. @throws {NotTaken} unless the answer is lost with the server, or it went well */
async function take(step: Step): Promise<void> {
  if (step.run !== undefined) {
    const status = await step.run();
    if (status >= 300) throw new NotTaken(`${step.name}: ${status}`);
    return;
  }
  const endpoint = endpoints.find(({ operationId }) => operationId === step.name);
  const base = API_BASES.findLast((one) => endpoint !== undefined && isServedAt(endpoint, one));
  if (endpoint === undefined || base === undefined) throw new NotTaken(`no ${step.name}`);
  const parameters = step.parameters?.() ?? {};
  const path = endpoint.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => parameters[name] ?? '');
  const body = step.body?.();
  const request = body === undefined ? {} : { body };
  const api = apiClient(url(), step.as?.() ?? owner);
  const { status, text } = await api.call(endpoint.method, base.path + path, request);
  if (status >= 300) throw new NotTaken(`${step.name}: ${status} ${text}`);
}

class NotTaken extends Error {}

/** Takes a step with a server that is killed within it. No server runs then. */
async function takeKilled(step: Step, killAt: KillAt, where: string): Promise<void> {
  const { change, goneOn } = step;
  if (step.before !== undefined) {
    await up();
    await step.before(apiClient(url(), owner));
    await down();
  }
  const before = await snapshot();
  const sinceThen = async (): Promise<Change> => {
    await down();
    return changeOf(before, await snapshot());
  };
  await up();
  arm(killAt);
  let isAnswered = true;
  try {
    await take(step);
  } catch (error) {
    if (error instanceof NotTaken) throw error;
    isAnswered = false;
    await server?.exited;
  }
  let found = await sinceThen();
  const isWhole = (): boolean => isSame(found, {}) || isSame(found, change);
  if (goneOn !== undefined && !isWhole()) {
    // What was begun goes on by itself: as a whole it is seen a moment later.
    await up();
    await expect.poll(() => goneOn(apiClient(url(), owner)), { timeout: 30_000 }).toBe(true);
    found = await sinceThen();
  }
  // What was answered before the kill is there.
  if (isAnswered || !isWhole()) expect(found, where).toEqual(change);
  if (isSame(found, change)) return;
  await up();
  await take(step);
  expect(await sinceThen(), `${where}, and asked for again`).toEqual(change);
}

function isSame(one: Change, other: Change): boolean {
  const names = new Set([...Object.keys(one), ...Object.keys(other)]);
  return [...names].every((name) => one[name] === other[name]);
}

test('C1, C3: a server that is killed within an operation has done all of it or nothing', async () => {
  const seed = Number(process.env['LINKSPAN_TEST_SEED'] ?? 424_242);
  const random = makeRandom(seed);
  const steps = everyStep();
  const kills = KILLS === 'all' ? steps.length : Number(KILLS);
  const first = Math.floor(random() * (steps.length - kills + 1));
  for (const [index, step] of steps.entries()) {
    if (step.prepare !== undefined) {
      await down();
      await step.prepare();
    }
    if (index >= first && index < first + kills) {
      await down();
      const killAt = somewhere(step, random);
      const at = typeof killAt.at === 'number' ? `after change ${killAt.at}` : killAt.at;
      const where = `seed ${seed}: ${step.name}, killed ${at} of transaction ${killAt.transaction}`;
      await takeKilled(step, killAt, where);
      await up();
    } else {
      await up();
      await step.before?.(apiClient(url(), owner));
      await take(step);
    }
    await step.find?.(apiClient(url(), owner));
  }
});

test('no operation that changes something is left out of the walk', () => {
  const taken = new Set(everyStep().map(({ name }) => name));
  const changing = endpoints.filter(({ method }) => method !== 'GET');
  const left = changing.map(({ operationId }) => operationId).filter((id) => !taken.has(id));
  expect(left).toEqual([]);
});
