import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { NO_POSTGRESQL } from '@linkspan/testkit/postgresql.ts';
import { eventually } from '@linkspan/testkit/eventually.ts';
import { describe, expect, test } from 'vitest';
import * as links from '../../src/store/links.ts';
import { openStore } from '../../src/store/open.ts';
import * as organizations from '../../src/store/organizations.ts';
import type { Store } from '../../src/store/store.ts';
import { answerTo, send } from '../support/api.ts';
import { linkHost } from '../support/link.ts';
import { hasPostgreSQL, newDatabase } from '../support/postgresql.ts';
import { startTestServer } from '../support/server.ts';

/** Comes back once a statement of somebody waits for a lock that a transaction of another one has. */
async function untilOneWaits({ db }: Store): Promise<void> {
  await eventually(async () => {
    const { rows } = await sql`select 1 from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'`.execute(db);
    expect(rows).not.toEqual([]);
  });
}

describe.skipIf(!hasPostgreSQL)(hasPostgreSQL ? 'two nodes' : `two nodes: ${NO_POSTGRESQL}`, () => {
  test('any node answers any request, and sees at once what another one did', async () => {
    await using first = await startTestServer();
    await using second = await first.node();
    const body = { name: 'Made on the first', orgId: first.orgId };
    expect((await first.api.call('POST', '/api/atlas/v1.0/groups', { body })).status).toBe(201);
    const again = await second.api.call('POST', '/api/atlas/v1.0/groups', { body });
    expect(again.status).toBe(409);
    const raced = await Promise.all(
      [first, second, first, second].map(({ api }) =>
        api.call('POST', '/api/atlas/v1.0/groups', { body: { ...body, name: 'Raced' } }),
      ),
    );
    expect(raced.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([
      201, 409, 409, 409,
    ]);
  });

  test('C7: what changes something is taken once by all nodes, what reads once by each', async () => {
    await using first = await startTestServer({ rateLimits: 'false' });
    await using second = await first.node();
    const path = `/api/atlas/v1.0/groups`;
    // The challenge comes from the younger node: the older one's nonces are stale to it.
    const answered = async (method: string) => ({
      authorization: answerTo(
        (await send(second.url + path, method)).headers['www-authenticate'] ?? '',
        first.owner,
        method,
        path,
      ),
    });
    const body = { name: 'Once', orgId: first.orgId };
    const headers = await answered('POST');
    expect((await send(`${first.url}${path}`, 'POST', { body, headers })).status).toBe(201);
    const replayed = await send(`${second.url}${path}`, 'POST', {
      body: { ...body, name: 'Twice' },
      headers,
    });
    expect(replayed.status).toBe(401);
    expect(replayed.headers['www-authenticate']).toContain('stale=true');
    const headersOfRead = await answered('GET');
    for (const [url, status] of [
      [first.url, 200],
      [second.url, 200],
      [first.url, 401],
    ] as const) {
      const answer = await send(`${url}${path}`, 'GET', { headers: headersOfRead });
      expect(answer.status).toBe(status);
    }
  });

  test('C10: nodes give out the requests of one bucket together', async () => {
    await using first = await startTestServer({ rateLimitPercent: '50' });
    await using second = await first.node();
    const path = `/api/atlas/v2/orgs/${first.orgId}/settings`;
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, index) =>
        (index % 2 === 0 ? first : second).api.call('GET', path),
      ),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(5);
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(7);
  });

  test('C1: a removal waits for who relies on the link, and finds what it did', async () => {
    await using first = await startTestServer();
    await using second = await first.node();
    const { linkId } = await linkHost(first);
    const holds = Promise.withResolvers<void>();
    const go = Promise.withResolvers<void>();
    const session = first.store.transaction(async (tx) => {
      expect((await links.findForShare(tx, linkId))?.state).toBe('LINKED');
      holds.resolve();
      await go.promise;
      await organizations.update(tx, first.orgId, { name: 'Written by the session' });
    });
    await holds.promise;
    const path = `/api/atlas/v1.0/orgs/${first.orgId}/liveMigrations/linkTokens`;
    let removed = false;
    const removal = second.api.call('DELETE', path).finally(() => (removed = true));
    await untilOneWaits(first.store);
    expect(removed).toBe(false);
    expect((await links.find(first.store.db, linkId))?.state).toBe('LINKED');
    go.resolve();
    await session;
    expect((await removal).status).toBe(204);
  });

  test('C1: who relies on the link waits for its removal, and is refused', async () => {
    await using first = await startTestServer();
    await using second = await first.node();
    const { linkId } = await linkHost(first);
    const holds = Promise.withResolvers<void>();
    const go = Promise.withResolvers<void>();
    const removal = first.store.transaction(async (tx) => {
      await links.findByOrganizationForUpdate(tx, first.orgId);
      await links.setRemoving(tx, linkId);
      holds.resolve();
      await go.promise;
    });
    await holds.promise;
    let runs = 0;
    const session = second.store.transaction(async (tx) => {
      runs += 1;
      return (await links.findForShare(tx, linkId))?.state;
    });
    await untilOneWaits(first.store);
    go.resolve();
    await removal;
    expect(await session).toBe('REMOVING');
    // The first time it saw the link as it was when it began, and was not let through with that.
    expect(runs).toBe(2);
  });

  test('C3: of removals on both nodes each is answered with the proof, and the link ends once', async () => {
    await using first = await startTestServer();
    await using second = await first.node();
    await linkHost(first);
    const path = `/api/atlas/v1.0/orgs/${first.orgId}/liveMigrations/linkTokens`;
    const answers = await Promise.all([first, second].map(({ api }) => api.call('DELETE', path)));
    for (const { status } of answers) expect([204, 404]).toContain(status);
    expect(answers.some(({ status }) => status === 204)).toBe(true);
    const list = await first.api.call(
      'GET',
      `/api/atlas/v1.0/orgs/${first.orgId}/events?eventType=LIVE_MIGRATION_LINK_REMOVED`,
    );
    expect(list.json).toMatchObject({ totalCount: 1 });
  });

  test('transactions of two nodes have an order, and are run again until they do', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'linkspan-store-'));
    await using database = await newDatabase();
    const options = { dataDirectory: directory, masterKeyFile: null, url: database.url };
    await using first = await openStore(options);
    await using second = await openStore(options);
    const insert = (id: string) =>
      organizations.insert(first.db, { id, name: '0', created_at: '', settings: '{}', kept: '{}' });
    await insert('a');
    await insert('b');
    // Each reads what the other one writes: together they would have no order.
    const copy = async (store: Store, from: string, to: string) => {
      await store.transaction(async (tx) => {
        const row = await organizations.find(tx, from);
        await organizations.update(tx, to, { name: `${Number(row?.name) + 1}` });
      });
    };
    await Promise.all([
      ...Array.from({ length: 10 }, () => copy(first, 'a', 'b')),
      ...Array.from({ length: 10 }, () => copy(second, 'b', 'a')),
    ]);
    const names = (await organizations.list(first.db)).map(({ name }) => Number(name));
    expect(Math.abs((names[0] ?? 0) - (names[1] ?? 0))).toBe(1);
    rmSync(directory, { recursive: true });
  });
});
