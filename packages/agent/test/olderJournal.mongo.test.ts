import { copyFileSync, existsSync, rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import type { Verification } from '@linkspan/contract/push/verification.ts';
import { eventually } from '@linkspan/testkit/eventually.ts';
import { expect, it, vi } from 'vitest';
import type { RunOptions } from './support/inProcessHost.ts';
import { here, numbers, pair, there, withPair } from './support/enginePair.ts';

withPair();

const PARTS = ['', '-wal', '-shm'];

/** The journal as it is now; the engine runs in this process, and writes nothing meanwhile. */
function keep(journal: string): void {
  for (const part of PARTS) {
    if (existsSync(journal + part)) copyFileSync(journal + part, `${journal}.kept${part}`);
  }
}

function putBack(journal: string): void {
  for (const part of PARTS) {
    rmSync(journal + part, { force: true });
    if (existsSync(`${journal}.kept${part}`))
      copyFileSync(`${journal}.kept${part}`, journal + part);
  }
}

async function verified(id: string): Promise<void> {
  const path = `/api/linkspan/v1/groups/${pair.side.projectId}/liveMigrations/${id}/verification`;
  await eventually(async () => {
    const { body } = await pair.side.api.get(path);
    expect((body as Verification).complete).toBe(true);
  });
}

/** The logs are rolled over at the source, and that has come to the destination. */
async function rollOver(): Promise<void> {
  await here('logs').rename('logs_1');
  await here('logs').insertMany(numbers(1000, 1200));
  await eventually(async () => {
    expect(await there('logs').countDocuments()).toBe(200);
    expect(await there('logs_1').countDocuments()).toBe(500);
  });
}

/** What an engine says with a level of at least `warn`. */
function listening(): { said: string[]; how: RunOptions } {
  const said: string[] = [];
  const silent = (): void => undefined;
  const warn = (_: object, message: string): void => void said.push(message);
  return { said, how: { log: { debug: silent, info: silent, warn, error: warn } } };
}

const BEGUN_ANEW = expect.stringMatching(/begun anew/);

it('D2, D11: a journal that is put back repeats no rename over what was made since', async () => {
  await here('logs').insertMany(numbers(0, 500));
  const { id, run } = await pair.tailing();
  await verified(id);
  await run.stop();
  const journal = pair.host.journalOf(id);
  keep(journal);
  const second = await pair.run(id);
  await rollOver();
  await second.stop();
  putBack(journal);
  const { said, how } = listening();
  await pair.run(id, how);
  await pair.side.cutOver(id);
  await pair.expectEqual();
  expect(said).toContainEqual(BEGUN_ANEW);
});

it('D2, D11: nor does one that was kept in the push session that went on', async () => {
  await here('logs').insertMany(numbers(0, 500));
  const { id, run } = await pair.tailing();
  await verified(id);
  const journal = pair.host.journalOf(id);
  keep(journal);
  await rollOver();
  await run.stop();
  putBack(journal);
  await pair.run(id);
  await pair.side.cutOver(id);
  await pair.expectEqual();
});

it('D2, D11: nor one of which a temporary collection was renamed over another, whose queue goes on', async () => {
  await here('report').insertMany(numbers(0, 100));
  const { id, run } = await pair.tailing();
  await here('tmp').insertMany(numbers(100, 300));
  await eventually(async () => expect(await there('tmp').countDocuments()).toBe(200));
  await run.stop();
  const journal = pair.host.journalOf(id);
  keep(journal);
  const second = await pair.run(id);
  await here('tmp').rename('report', { dropTarget: true });
  await eventually(async () => expect(await there('report').countDocuments()).toBe(200));
  await second.stop();
  putBack(journal);
  await pair.run(id);
  await pair.side.cutOver(id);
  await pair.expectEqual();
});

it('D11: a journal that goes on from where it was is not begun anew, whatever was sent before', async () => {
  await here('logs').insertMany(numbers(0, 500));
  const { id, run } = await pair.tailing();
  await rollOver();
  await run.stop();
  const { said, how } = listening();
  const second = await pair.run(id, how);
  await here('more').insertMany(numbers(0, 10));
  await eventually(async () => expect(await there('more').countDocuments()).toBe(10));
  await second.stop();
  await pair.run(id, how);
  await pair.side.cutOver(id);
  await pair.expectEqual();
  expect(said).not.toContainEqual(BEGUN_ANEW);
});

/** What is done last before the power is cut; the collection that it names is dropped at the source then. */
const LAST = {
  'a rename': async () => {
    await here('logs_1').rename('logs_2');
    await eventually(async () => expect(await there('logs_2').countDocuments()).toBe(500));
    return 'logs_2';
  },
  'a new collection': async () => {
    await here('extra').insertMany(numbers(0, 10));
    await eventually(async () => expect(await there('extra').countDocuments()).toBe(10));
    return 'extra';
  },
};

it.each(Object.entries(LAST))(
  'D2, D11: what a power cut after %s leaves of a journal goes on from where it was',
  async (_, last) => {
    await here('logs').insertMany(numbers(0, 500));
    const exec = Reflect.get(DatabaseSync.prototype, 'exec') as (sql: string) => void;
    using spy = vi.spyOn(DatabaseSync.prototype, 'exec');
    spy.mockImplementation(function (this: DatabaseSync, sql) {
      Reflect.apply(exec, this, [sql]);
      // A power cut may leave nothing of what came later.
      if (sql === 'PRAGMA synchronous = NORMAL') keep(this.location() as string);
    });
    const { id, run } = await pair.tailing();
    await verified(id);
    await rollOver();
    const gone = await last();
    await run.stop();
    spy.mockRestore();
    putBack(pair.host.journalOf(id));
    await here(gone).drop();
    const { said, how } = listening();
    await pair.run(id, how);
    await pair.side.cutOver(id);
    await pair.expectEqual();
    expect(said).not.toContainEqual(BEGUN_ANEW);
  },
);
