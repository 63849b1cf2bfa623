import type { Verification } from '@linkspan/contract/push/verification.ts';
import { eventually } from '@linkspan/testkit/eventually.ts';
import { expect, it } from 'vitest';
import { PushRefusedError } from '../src/push/errors.ts';
import { here, numbers, pair, there, withPair } from './support/enginePair.ts';

withPair();

async function reportOf(id: string): Promise<Verification> {
  const path = `/api/linkspan/v1/groups/${pair.side.projectId}/liveMigrations/${id}/verification`;
  return (await pair.side.api.get(path)).body as Verification;
}

it('D11: what a lost journal has half copied is copied as inserts and then repaired, what is nearly complete is repaired alone', async () => {
  await here('half').insertMany(numbers(0, 3000));
  await here('half').createIndex({ text: 1 });
  await here('nearly').insertMany(numbers(0, 1000));
  const first = await pair.tailing();
  await first.run.stop();
  // As a host leaves it that is lost in mid-copy, with what its migration did not see since.
  await there('half').deleteMany({ _id: { $gte: 400 } });
  await there('half').updateOne({ _id: 7 }, { $set: { text: 'older' } });
  await there('half').insertOne({ _id: -5, text: 'deleted at the source since' });
  await there('nearly').deleteMany({ _id: { $lt: 20 } });

  const told: { fields: { namespace?: string }; message: string }[] = [];
  const say = (fields: object, message: string): void => void told.push({ fields, message });
  const log = { debug: say, info: say, warn: say, error: say };
  await pair.run(first.id, { journal: 'new', log });
  await pair.side.cutOver(first.id);
  await pair.expectEqual();
  const copied = told.filter(({ message }) => message === 'collection copied');
  expect(copied.map(({ fields }) => fields.namespace)).toEqual(['app.half']);
  const repaired = told.filter(({ message }) => message === 'collection repaired');
  expect(new Set(repaired.map(({ fields }) => fields.namespace))).toEqual(
    new Set(['app.half', 'app.nearly']),
  );
  // Only what the copy left alone: an older document and one too many; and the twenty.
  expect(await reportOf(first.id)).toMatchObject({ differencesFound: 22, differencesRepaired: 22 });
});

it('I8: a destination that refuses to be listed again and again is shown as what a take-over waits for', async () => {
  await here('a').insertMany(numbers(0, 10));
  const { id, run: first } = await pair.tailing();
  await first.stop();
  let isRefusing = true;
  let runs = 0;
  pair.host.runAgain(id, {
    journal: 'new',
    onPusher(pusher) {
      runs += 1;
      const listing = pusher.listing.bind(pusher);
      pusher.listing = async (...how) => {
        if (!isRefusing) return listing(...how);
        throw new PushRefusedError('DESTINATION_REFUSED', 'not authorized to list app');
      };
    },
  });
  const waitingFor = async () => (await pair.side.describe(id)).progress?.waitingFor ?? '';
  const why = 'it was interrupted and is begun again: not authorized to list app';
  await eventually(async () => expect(await waitingFor()).toContain(why));
  const seen = runs;
  // Whatever each of the next runs tells.
  while (runs < seen + 4) expect(await waitingFor()).toContain(why);
  expect((await pair.side.describe(id)).readyForCutover).toBe(false);
  isRefusing = false;
  const { state } = await pair.side.until(id, 'ready', (now) => now.readyForCutover);
  expect(state).toBe('WORKING');
  await eventually(async () => expect(await waitingFor()).toBe(''));
  await pair.side.cutOver(id);
  await pair.expectEqual();
});
