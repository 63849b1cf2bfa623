import { setTimeout as delay } from 'node:timers/promises';
import { compareClusters } from '@linkspan/testkit/compare.ts';
import { type LinkedPair, startLinkedPair } from '@linkspan/testkit/linkedPair.ts';
import { expect, it } from 'vitest';
import { expectNothingAfter, inMidCopy, loadRows, ROWS, STEADILY } from './rows.ts';
import { Writer } from './writer.ts';

async function ask(pair: LinkedPair, id: string, verb: string): Promise<void> {
  const path = `/api/linkspan/v1/groups/${pair.projectId}/liveMigrations/${id}/${verb}`;
  expect((await pair.api.post(path)).status).toBe(202);
}

const copiedCount = (pair: LinkedPair): Promise<number> =>
  pair.destination.client().db('app').collection('rows').countDocuments();

/** Pauses, and lets the source be written meanwhile: the host follows, nothing reaches the destination. */
async function pauseWhileWriting(pair: LinkedPair, id: string, writer: Writer): Promise<void> {
  await ask(pair, id, 'pause');
  await expectNothingAfter(pair, 1000);
  const { status } = await pair.describe(id);
  expect(['NEW', 'WORKING']).toContain(status);
  const { rounds } = writer;
  while (writer.rounds < rounds + 30) await delay(10);
  const followed = await pair.until(
    id,
    'changes of the pause are followed',
    ({ state, progress }) => state === 'PAUSED' && (progress?.keysPending ?? 0) >= 30,
  );
  expect(followed).toMatchObject({ readyForCutover: false, paused: expect.any(String) as string });
}

it('I2, I4: pauses in mid-copy and in mid-tail, goes on, and leaves both sides equal', async () => {
  await using pair = await startLinkedPair();
  await loadRows(pair);
  const writer = new Writer(pair.source.client(), 'app', 'rows');
  const id = await pair.start(STEADILY);
  await inMidCopy(pair, 2000);
  await pauseWhileWriting(pair, id, writer);
  const before = await copiedCount(pair);
  expect(before).toBeLessThan(ROWS);
  const { progress } = await pair.describe(id);
  expect(progress?.documentsCopied, 'I8').toBeLessThanOrEqual(before);
  expect(progress?.phase).toBe('COPYING');
  // The pause outlives both processes.
  await pair.agent.kill();
  await pair.server.kill();
  await pair.server.restart();
  await pair.agent.restart();
  const { rounds } = writer;
  while (writer.rounds < rounds + 10) await delay(10);
  expect(await copiedCount(pair)).toBe(before);

  await pair.unthrottle(id);
  await ask(pair, id, 'resume');
  const tailing = await pair.until(
    id,
    'tailing',
    (migration) => migration.state === 'WORKING' && migration.progress?.phase === 'TAILING',
    120_000,
  );
  // What the writer adds while it is copied may be copied too; what was copied before is not again.
  expect(tailing.progress?.documentsCopied).toBeLessThan(ROWS + 2000);
  expect(tailing.progress?.bytesTotal).toBe(tailing.progress?.bytesCopied);
  await pauseWhileWriting(pair, id, writer);
  await ask(pair, id, 'resume');
  await pair.until(id, 'ready', ({ readyForCutover }) => readyForCutover, 120_000);
  await writer.stop();
  await pair.cutOver(id);
  const { differences } = await compareClusters(pair.source.uri, pair.destination.uri);
  expect(differences).toEqual([]);
});

it('a migration that was paused before its host took it up is followed from then on', async () => {
  await using pair = await startLinkedPair();
  const rows = pair.source.client().db('app').collection<{ _id: number }>('rows');
  await rows.insertMany(Array.from({ length: 500 }, (_, _id) => ({ _id })));
  await pair.agent.kill();
  const id = await pair.start();
  await ask(pair, id, 'pause');
  await pair.agent.restart();
  await pair.until(
    id,
    'followed',
    ({ state, progress }) => state === 'PAUSED' && progress !== null,
  );
  expect((await pair.describe(id)).status).toBe('NEW');
  await rows.deleteMany({ _id: { $lt: 100 } });
  expect(await copiedCount(pair)).toBe(0);
  await ask(pair, id, 'resume');
  await pair.cutOver(id);
  expect(await copiedCount(pair)).toBe(400);
});
