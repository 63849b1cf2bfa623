import { migrationRequest } from '@linkspan/testkit/migrationCalls.ts';
import { beforeEach, expect, it } from 'vitest';
import { once, pair, withPair } from './support/enginePair.ts';

interface Numbered {
  _id: number;
  text: string;
}

withPair();

beforeEach(async () => {
  const documents = Array.from({ length: 20 }, (_, _id) => ({ _id, text: `t${_id}` }));
  await pair.app.collection<Numbered>('a').insertMany(documents);
  await pair.app.collection('a').createIndex({ text: 1 }, { unique: true });
});
const there = () => pair.copy.collection<Numbered>('a');

async function complete(id: string): Promise<void> {
  const { cutover } = await pair.side.cutOver(id);
  expect(cutover.attempt, 'the first one').toBe(1);
  await pair.expectEqual();
}

it('D17: an index that finds two documents of one key has both pushed again, and is built', async () => {
  const plant = async (): Promise<void> => {
    await there().insertMany([
      { _id: 100, text: 't1' },
      { _id: 101, text: 't2' },
    ]);
    await there().updateOne({ _id: 3 }, { $set: { text: 't4' } });
  };
  const atStep = once(plant);
  const beforeCutoverStep = async (step: string): Promise<void> => {
    if (step === 'UNIQUE_INDEXES') await atStep();
  };
  const { id } = await pair.tailing({ hooks: { beforeCutoverStep } });
  await complete(id);
});

it('D17: documents that hold the keys of each other, in a pair and in a ring, make way under the index', async () => {
  const turn = async (ids: readonly number[]): Promise<void> => {
    const set = (_id: number, text: string) => there().updateOne({ _id }, { $set: { text } });
    for (const id of ids) await set(id, `aside ${id}`);
    for (const [index, id] of ids.entries()) await set(id, `t${ids[(index + 1) % ids.length]}`);
  };
  const atStep = once(async () => {
    await turn([5, 6]);
    await turn([10, 12, 14]);
    // Nothing of the source has changed, and its key is held by what the source does not have.
    await there().deleteOne({ _id: 0 });
    await there().insertOne({ _id: 200, text: 't0' });
  });
  const beforeCutoverStep = async (step: string): Promise<void> => {
    if (step === 'VERIFY') await atStep();
  };
  const { api, projectId } = pair.side;
  const { body } = await api.post<{ _id: string }>(
    `/api/linkspan/v1/groups/${projectId}/liveMigrations`,
    { body: { ...migrationRequest(projectId), verification: 'FULL' } },
  );
  await pair.run(body._id, { hooks: { beforeCutoverStep } });
  await complete(body._id);
});
