import { readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { runLinkspan } from '@linkspan/testkit/processes.ts';
import type { Document } from 'mongodb';
import { describe, expect, it } from 'vitest';
import type { EngineHooks } from '../src/migration/context.ts';
import { pair, withPair } from './support/enginePair.ts';
import type { Run } from './support/inProcessHost.ts';

withPair();

interface Numbered extends Document {
  _id: number;
}

const here = (name: string) => pair.app.collection<Numbered>(name);
const there = (name: string) => pair.copy.collection<Numbered>(name);
const numbers = (from: number, to: number): Numbered[] =>
  Array.from({ length: to - from }, (_, index) => ({ _id: from + index }));

const arrived = async (name: string, count: number): Promise<void> => {
  await expect.poll(() => there(name).countDocuments(), { timeout: 30_000 }).toBe(count);
};

async function linkspan(...line: string[]): Promise<void> {
  const { code, stderr } = await runLinkspan(line);
  expect({ line, code, stderr }).toEqual({ line, code: 0, stderr: '' });
}

const dataDir = (): string => join(pair.side.directory, 'server');
const backup = (): string => join(pair.side.directory, `${pair.side.orgId}.db`);

/** The server, which is killed, loses its store, has the backup instead, and an owner confirms the link. */
async function restore(run: Run): Promise<void> {
  const { server, api, orgId, directory } = pair.side;
  // Its session is older than what is known now: an agent begins such a run anew after a while.
  await run.stop();
  for (const name of readdirSync(dataDir()).filter((one) => one.startsWith('linkspan.db'))) {
    renameSync(join(dataDir(), name), join(directory, `lost-${name}`));
  }
  await linkspan('store', 'restore', '--data-dir', dataDir(), '--from', backup());
  await server.restart();
  const link = `/api/linkspan/v1/orgs/${orgId}/liveMigrations/link`;
  expect((await api.post(`${link}/confirm`)).status).toBe(200);
}

describe('a server that was restored from a backup', () => {
  it('D11, C8: what was made since the backup is the migration’s still, and everything is compared', async () => {
    await here('old').insertMany(numbers(0, 100));
    await here('renamed').insertMany(numbers(0, 10));
    await here('dropped').insertMany(numbers(0, 10));
    const { id, run } = await pair.tailing();
    await linkspan('store', 'backup', '--data-dir', dataDir(), '--to', backup());

    await here('new').insertMany(numbers(0, 50));
    await pair.app.createCollection('view', { viewOn: 'new', pipeline: [] });
    await here('newRenamed').insertMany(numbers(0, 20));
    await arrived('newRenamed', 20);
    await pair.app.renameCollection('renamed', 'renamedSince');
    await here('newDropped').insertMany(numbers(0, 5));
    await arrived('newDropped', 5);
    await arrived('new', 50);
    await arrived('renamedSince', 10);
    await pair.side.server.kill();
    // While nobody can be asked: what the server has never heard of is renamed and dropped.
    await pair.app.renameCollection('newRenamed', 'twice');
    await here('newDropped').drop();
    await here('dropped').drop();
    await here('new').insertMany(numbers(50, 60));
    // What was pushed since the backup, and lost by something else meanwhile.
    await there('old').deleteOne({ _id: 7 });
    await restore(run);
    await pair.run(id);

    await pair.side.cutOver(id, 120_000);
    await pair.expectEqual();
  });

  it('D11, C8: what was made since the backup and is dropped at the destination is copied again', async () => {
    await here('old').insertMany(numbers(0, 10));
    const { id, run } = await pair.tailing();
    await linkspan('store', 'backup', '--data-dir', dataDir(), '--to', backup());
    await here('new').insertMany(numbers(0, 50));
    await arrived('new', 50);
    await pair.side.server.kill();
    await there('new').drop();
    await restore(run);
    await pair.run(id);
    await pair.side.cutOver(id, 120_000);
    await pair.expectEqual();
  });
});

describe('a collection that somebody drops at the destination', () => {
  const kinds: readonly [string, Document][] = [
    ['plain', {}],
    ['collated', { collation: { locale: 'en', strength: 2 } }],
    ['capped', { capped: true, size: 1_000_000 }],
  ];
  for (const [kind, options] of kinds) {
    it(`D11: is made and copied again as soon as it is found to be gone: ${kind}`, async () => {
      await pair.app.createCollection('a', options);
      await here('a').insertMany(numbers(0, 3000));
      await here('a').createIndex({ n: 1 });
      const { id } = await pair.tailing();
      const path = `/api/linkspan/v1/groups/${pair.side.projectId}/liveMigrations/${id}`;
      const isVerified = async (): Promise<unknown> =>
        (await pair.side.api.get(`${path}/verification`)).body;
      await expect
        .poll(isVerified, { timeout: 30_000 })
        .toMatchObject({ complete: kind !== 'capped' });
      await there('a').drop();
      await here('a').createIndex({ m: 1 });
      await arrived('a', 3000);
      await pair.side.cutOver(id);
      await pair.expectEqual();
    });
  }

  it('D22: a cutover that finds it gone last fails, and the next one has all of it', async () => {
    await here('a').insertMany(numbers(0, 500));
    let drops = 1;
    const hooks: EngineHooks = {
      beforeCutoverStep: async (step) => {
        if (step !== 'COMPARE' || drops === 0) return;
        drops -= 1;
        await there('a').drop();
      },
    };
    const { id } = await pair.tailing({ hooks });
    await pair.side.askForCutover(id);
    const { cutover } = await pair.side.until(id, 'failed', (m) => m.cutover.failure !== null);
    expect(cutover.failure).toContain('app.a is not at the destination any more');
    await pair.side.cutOver(id);
    await pair.expectEqual();
  });
});
