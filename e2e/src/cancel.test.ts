import { startLinkedPair } from '@linkspan/testkit/linkedPair.ts';
import { expect, it } from 'vitest';
import { expectNothingAfter, inMidCopy, loadRows, ROWS, STEADILY } from './rows.ts';

it('C2, C3: cancel in mid-copy stops the push dead, and leaves host and link for others', async () => {
  await using pair = await startLinkedPair();
  await loadRows(pair);
  const id = await pair.start(STEADILY);
  await inMidCopy(pair, 2000);
  const path = `/api/linkspan/v1/groups/${pair.projectId}/liveMigrations/${id}/cancel`;
  expect((await pair.api.post(path)).status).toBe(202);
  await expectNothingAfter(pair);
  const rows = pair.destination.client().db('app').collection('rows');
  expect(await rows.countDocuments()).toBeLessThan(ROWS);
  expect(await pair.describe(id)).toMatchObject({
    status: 'FAILED',
    state: 'CANCELED',
    failureReason: `Canceled by API key ${pair.credentials.publicKey}.`,
  });
  expect((await pair.api.post(path)).status).toBe(202);
  const source = pair.source.client().db('app').collection('rows');
  await source.drop();
  await source.insertMany([{}, {}]);
  await pair.cutOver(await pair.start({ dropDestinationData: true }));
  expect(await rows.countDocuments()).toBe(2);
});
