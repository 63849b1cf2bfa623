import { setTimeout as delay } from 'node:timers/promises';
import { type LinkedPair, startLinkedPair } from '@linkspan/testkit/linkedPair.ts';
import { expect, it } from 'vitest';
import { expectNothingAfter, STEADILY } from './rows.ts';

const ROWS = 30_000;

async function startCopy(pair: LinkedPair): Promise<string> {
  const rows = pair.source.client().db('app').collection('rows');
  for (let first = 0; first < ROWS; first += 3000) {
    await rows.insertMany(
      Array.from({ length: 3000 }, (_, index) => ({ _id: (first + index) as never, text: 'row' })),
    );
  }
  const id = await pair.start(STEADILY);
  const copied = pair.destination.client().db('app').collection('rows');
  while ((await copied.estimatedDocumentCount()) < 2000) await delay(10);
  return id;
}

it('C1, C3: DELETE linkTokens in mid-copy stops the push dead', async () => {
  await using pair = await startLinkedPair();
  const id = await startCopy(pair);
  const path = `/api/atlas/v2/orgs/${pair.orgId}/liveMigrations/linkTokens`;
  const removed = await pair.api.delete(path, { version: '2023-01-01' });
  expect(removed.status).toBe(204);
  await expectNothingAfter(pair);
  const count = await pair.destination.client().db('app').collection('rows').countDocuments();
  expect(count).toBeLessThan(ROWS);
  const { status, failureReason } = await pair.describe(id);
  expect(status).toBe('FAILED');
  expect(failureReason).toMatch(/link/);
  expect(await pair.agent.exited).toBe(3);
  const keys = await pair.api.get<{ results: { desc: string }[] }>(
    `/api/atlas/v2/orgs/${pair.orgId}/apiKeys`,
    { version: '2023-01-01' },
  );
  expect(keys.body.results).toHaveLength(1);
});

it('C2: DELETE after the server was killed in mid-push proves that nothing is left', async () => {
  await using pair = await startLinkedPair();
  await startCopy(pair);
  await pair.agent.kill();
  await pair.server.kill();
  await pair.server.restart();
  const path = `/api/atlas/v2/orgs/${pair.orgId}/liveMigrations/linkTokens`;
  expect((await pair.api.delete(path, { version: '2023-01-01' })).status).toBe(204);
  await expectNothingAfter(pair);
});
