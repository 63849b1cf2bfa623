import { type LinkedPair, startLinkedPair } from '@linkspan/testkit/linkedPair.ts';
import { expect, it } from 'vitest';
import { expectNothingAfter, inMidCopy, loadRows, ROWS, STEADILY } from './rows.ts';

async function startCopy(pair: LinkedPair): Promise<string> {
  await loadRows(pair);
  const id = await pair.start(STEADILY);
  await inMidCopy(pair, 2000);
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
