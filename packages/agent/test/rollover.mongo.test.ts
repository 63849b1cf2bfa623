import type { LiveMigrationDetail } from '@linkspan/contract/api/liveMigrations.ts';
import type { Verification } from '@linkspan/contract/push/verification.ts';
import type { Document } from 'mongodb';
import { expect, it } from 'vitest';
import type { EngineHooks } from '../src/migration/context.ts';
import { pair, withPair } from './support/enginePair.ts';

/** A source whose oplog is so short that it rolls over when a test writes a little. */
const OPLOG_ENTRIES = 500;

withPair({ oplogEntries: OPLOG_ENTRIES });

interface Numbered extends Document {
  _id: number;
}

const here = (name: string) => pair.app.collection<Numbered>(name);
const numbers = (from: number, to: number): Numbered[] =>
  Array.from({ length: to - from }, (_, index) => ({ _id: from + index, text: 't' }));

/** Changes three documents of `a` and then so much elsewhere that the oplog forgets it. */
async function changeUnseen(): Promise<void> {
  await here('a').updateOne({ _id: 1 }, { $set: { text: 'unseen' } });
  await here('a').deleteOne({ _id: 2 });
  await here('a').insertOne({ _id: 10_000 });
  for (let round = 0; round < 4; round += 1) {
    const from = round * OPLOG_ENTRIES;
    await here('noise').insertMany(numbers(from, from + OPLOG_ENTRIES));
  }
  await here('noise').drop();
}

async function reportOf(id: string): Promise<Verification> {
  const path = `/api/linkspan/v1/groups/${pair.side.projectId}/liveMigrations/${id}`;
  return (await pair.side.api.get(`${path}/verification`)).body as Verification;
}

it('D1, Hazard 10: a rollover while the agent is down is repaired, and only what differs is pushed', async ({
  skip,
}) => {
  if (pair.source.server !== 'SecantusDB') skip('the oplog of a mongod has 990 MB at least');
  await here('a').insertMany(numbers(0, 1500));
  const { id, run } = await pair.tailing();
  await run.stop();
  await changeUnseen();
  await pair.run(id);
  const { progress } = await pair.side.cutOver(id);
  await pair.expectEqual();
  expect(await reportOf(id)).toMatchObject({
    historyLosses: 1,
    repair: 'HISTORY_LOST',
    differencesFound: 3,
    differencesRepaired: 3,
  });
  expect(progress?.documentsFlushed, 'documents that were pushed').toBeLessThanOrEqual(3);
  const events = await pair.side.api.get(
    `/api/atlas/v2/groups/${pair.side.projectId}/events?eventType=LIVE_MIGRATION_HISTORY_LOST`,
    { version: '2023-01-01' },
  );
  expect((events.body as { totalCount: number }).totalCount).toBe(1);
});

it('D1, Hazard 10: a rollover in mid-copy: what was copied is not copied again', async ({
  skip,
}) => {
  if (pair.source.server !== 'SecantusDB') skip('the oplog of a mongod has 990 MB at least');
  await here('a').insertMany(numbers(0, 3000));
  const id = await pair.side.start();
  const options = { copyBatchBytes: 4096 };
  const held = Promise.withResolvers<void>();
  let batches = 0;
  const hooks: EngineHooks = {
    afterRead: async (what) => {
      if (what !== 'copy') return;
      batches += 1;
      if (batches < 20) return;
      held.resolve();
      await new Promise(() => undefined);
    },
  };
  const first = await pair.run(id, { hooks, options });
  await held.promise;
  const copied = ({ progress }: LiveMigrationDetail) => (progress?.documentsCopied ?? 0) > 1200;
  await pair.side.until(id, 'acknowledged', copied);
  void first.stop();
  await changeUnseen();
  let again = 0;
  const counting: EngineHooks = {
    afterRead: async (what, namespace) => {
      if (what === 'copy' && namespace === 'app.a') again += 1;
    },
  };
  await pair.run(id, { hooks: counting, options });
  await pair.side.cutOver(id);
  await pair.expectEqual();
  // From the first document it takes 20.
  expect(again, 'the copy goes on where it was').toBeLessThan(16);
  expect((await reportOf(id)).differencesFound).toBeLessThanOrEqual(3);
});

it('D1: history that is lost while it follows the source', async ({ skip }) => {
  if (!pair.source.capabilities.failCommand) skip('the source has no failCommand');
  await here('a').insertMany(numbers(0, 500));
  const { id } = await pair.tailing();
  const data = { failCommands: ['getMore'], errorCode: 286, appName: 'linkspan-agent' };
  await pair.source
    .client()
    .db('admin')
    .command({ configureFailPoint: 'failCommand', mode: { times: 1 }, data });
  await expect.poll(async () => (await reportOf(id)).historyLosses, { timeout: 20_000 }).toBe(1);
  await here('a').updateMany({ _id: { $lt: 10 } }, { $set: { text: 'later' } });
  await pair.side.cutOver(id);
  await pair.expectEqual();
});
