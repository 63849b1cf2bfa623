import { failCommands, healCommands } from '@linkspan/testkit/failPoints.ts';
import { expect, it, onTestFinished } from 'vitest';
import { pair, withPair } from './support/enginePair.ts';

const CANNOT_CREATE_INDEX = 67;

withPair();

it('D22: an index that is refused does not end the migration, also of a collection made meanwhile', async ({
  skip,
}) => {
  if (!pair.destination.capabilities.failCommand) skip('the destination has no failCommand');
  const { id, run } = await pair.tailing();
  const refused = { failCommands: ['createIndexes'], errorCode: CANNOT_CREATE_INDEX };
  await failCommands(pair.destination, refused);
  onTestFinished(() => healCommands(pair.destination));
  await pair.app.createCollection('new');
  await pair.app.collection('new').createIndex({ text: 1 });
  await pair.app.collection<{ _id: number }>('new').insertOne({ _id: 1 });
  const { status, progress, readyForCutover } = await pair.side.until(
    id,
    'a warning or the end',
    (migration) => migration.status === 'FAILED' || (migration.progress?.warnings.length ?? 0) > 0,
  );
  expect(status).toBe('WORKING');
  expect(readyForCutover).toBe(false);
  expect(progress?.warnings.join()).toContain('app.new: build the indexes text_1');
  await expect.poll(() => pair.copy.collection('new').countDocuments()).toBe(1);
  await healCommands(pair.destination);
  await pair.side.cutOver(id);
  expect(await run.ended).toBeNull();
  await pair.expectEqual();
});
