import { compareClusters } from '@linkspan/testkit/compare.ts';
import { startLinkedPair } from '@linkspan/testkit/linkedPair.ts';
import { oddDocuments } from '@linkspan/testkit/values.ts';
import { expect, it } from 'vitest';
import { Writer } from './writer.ts';

it('moves a database through a link-token, and removes the link-token', async () => {
  await using pair = await startLinkedPair();
  const client = pair.source.client();
  await client
    .db('app')
    .collection('odd')
    .insertMany(oddDocuments(), { forceServerObjectId: true });
  const rows = Array.from({ length: 3000 }, (_, index) => ({ _id: index as never, text: 'row' }));
  await client.db('app').collection('rows').insertMany(rows);
  await client.db('app').collection('rows').createIndex({ round: 1 });

  const writer = new Writer(client, 'app', 'rows');
  const id = await pair.start();
  await pair.until(id, 'ready for cutover', ({ readyForCutover }) => readyForCutover);
  const { rounds } = writer;
  while (writer.rounds < rounds + 20) await new Promise((resolve) => setTimeout(resolve, 20));
  await writer.stop();
  const complete = await pair.cutOver(id);
  expect(complete).toMatchObject({ status: 'COMPLETE', failureReason: null });
  const comparison = await compareClusters(pair.source.uri, pair.destination.uri);
  expect(comparison.differences).toEqual([]);
  // One that was changed since the first comparison was compared again, and counts again.
  expect(complete.verified?.documents).toBeGreaterThanOrEqual(comparison.documents);
  expect(complete.verified?.collections).toBe(comparison.collections);

  const linkTokens = `/api/atlas/v1.0/orgs/${pair.orgId}/liveMigrations/linkTokens`;
  expect((await pair.api.delete(linkTokens)).status).toBe(204);
  expect(await pair.agent.exited).toBe(3);
  const again = await pair.api.delete(linkTokens);
  expect(again.status).toBe(404);
  // Recorded from Atlas.
  expect(again.body).toEqual({
    detail: 'Could not find the requested external organization link.',
    error: 404,
    errorCode: 'UNEXPECTED_ERROR',
    parameters: null,
    reason: 'Not Found',
  });
  for (const log of [await pair.agent.log(), await pair.server.log()]) {
    expect(log).not.toContain(pair.linkToken);
    expect(log).not.toContain(pair.credentials.privateKey);
  }
});
