import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { newId } from '../../src/domain/ids.ts';
import { SignInAudit } from '../../src/operations/signInAudit.ts';
import * as events from '../../src/store/events.ts';
import { openStore } from '../../src/store/open.ts';
import type { Store } from '../../src/store/store.ts';

const ADDRESS = '192.0.2.1';
const LOG = { info: () => {}, warn: () => {}, error: () => {} };

let directory: string;
let store: Store;
let now: number;
let audit: SignInAudit;
const account = { kind: 'apiKey', id: newId(), orgId: newId() } as const;
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'linkspan-audit-'));
  store = await openStore({ dataDirectory: directory, masterKeyFile: null });
  now = Date.parse('2026-08-10T03:00:00Z');
  audit = new SignInAudit(store, LOG, () => now);
});
afterEach(async () => {
  await store.close();
  rmSync(directory, { recursive: true });
});

async function recorded(): Promise<unknown[]> {
  await setImmediate();
  const rows = await events
    .pageOf(
      store.db,
      { orgId: account.orgId, projectIds: null },
      {},
      {
        offset: 0,
        limit: 100,
      },
    )
    .execute();
  return rows.toReversed().map((row) => ({
    type: row.event_type,
    address: row.remote_address,
    target: row.target_id,
    ...(JSON.parse(row.detail) as object),
  }));
}

const FIRST = {
  type: 'API_KEY_SIGN_IN_FAILED',
  address: ADDRESS,
  target: account.id,
  failure: 'WRONG_SECRET',
  count: 1,
  since: '2026-08-10T03:00:00.000Z',
};

test('C11: the first failure is an event at once, further ones one event a minute', async () => {
  audit.failed(account, ADDRESS, 'WRONG_SECRET');
  expect(await recorded()).toEqual([FIRST]);
  now += 10_000;
  for (let index = 0; index < 500; index += 1) audit.failed(account, ADDRESS, 'WRONG_SECRET');
  await audit.flush();
  expect(await recorded()).toEqual([FIRST]);
  now += 50_000;
  await audit.flush();
  const second = { ...FIRST, count: 500, since: '2026-08-10T03:00:10.000Z' };
  expect(await recorded()).toEqual([FIRST, second]);
  now += 60_000;
  await audit.flush();
  expect(await recorded()).toHaveLength(2);
  audit.failed(account, ADDRESS, 'WRONG_SECRET');
  expect(await recorded()).toHaveLength(3);
});

test('C11: each account, address and reason is told of by itself', async () => {
  audit.failed(account, ADDRESS, 'WRONG_SECRET');
  audit.failed(account, '192.0.2.2', 'WRONG_SECRET');
  audit.failed(account, ADDRESS, 'ADDRESS_NOT_ON_ACCESS_LIST');
  audit.failed({ ...account, kind: 'serviceAccount' }, ADDRESS, 'WRONG_SECRET');
  audit.failed(account, ADDRESS, 'WRONG_SECRET');
  expect(await recorded()).toEqual([
    FIRST,
    { ...FIRST, address: '192.0.2.2' },
    { ...FIRST, failure: 'ADDRESS_NOT_ON_ACCESS_LIST' },
    { ...FIRST, type: 'SERVICE_ACCOUNT_SIGN_IN_FAILED' },
  ]);
});

test('C11: what is counted is written before the store closes', async () => {
  audit.start();
  audit.failed(account, ADDRESS, 'WRONG_SECRET');
  audit.failed(account, ADDRESS, 'WRONG_SECRET');
  audit.failed(account, ADDRESS, 'WRONG_SECRET');
  await audit.close();
  expect(await recorded()).toEqual([FIRST, { ...FIRST, count: 2 }]);
});

test('C11: what the store does not take stays counted', async () => {
  let broken = true;
  const failing: Store = Object.assign(Object.create(store) as Store, {
    transaction: async (work: Parameters<Store['transaction']>[0]) => {
      if (broken) throw new Error('disk full');
      return store.transaction(work);
    },
  });
  const patient = new SignInAudit(failing, LOG, () => now);
  patient.failed(account, ADDRESS, 'WRONG_SECRET');
  patient.failed(account, ADDRESS, 'WRONG_SECRET');
  await setImmediate();
  await patient.flush();
  now += 60_000;
  broken = false;
  await patient.flush();
  expect(await recorded()).toEqual([{ ...FIRST, count: 2 }]);
});

test('C11: the answer is on its way before anything is written, so that its time tells nothing', async () => {
  const writing = vi.spyOn(store, 'transaction');
  audit.failed(account, ADDRESS, 'WRONG_SECRET');
  for (let index = 0; index < 1000; index += 1) await Promise.resolve();
  expect(writing).not.toHaveBeenCalled();
  expect(await recorded()).toEqual([FIRST]);
});
