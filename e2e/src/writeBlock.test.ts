import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type LinkedPair, startLinkedPair } from '@linkspan/testkit/linkedPair.ts';
import {
  SOURCE_DEPLOYMENT,
  SOURCE_PROJECT,
  migrationRequest,
} from '@linkspan/testkit/migrationCalls.ts';
import { runLinkspan } from '@linkspan/testkit/processes.ts';
import { expect, it } from 'vitest';

const OTHER = 'c'.repeat(24);

async function startBlocking(pair: LinkedPair): Promise<string> {
  const path = `/api/linkspan/v1/groups/${pair.projectId}/liveMigrations`;
  const body = { ...migrationRequest(pair.projectId), blockSourceWrites: true };
  const { status, body: made } = await pair.api.post(path, { body });
  expect(status).toBe(201);
  return (made as { _id: string })._id;
}

const recordsOf = (pair: LinkedPair): string => join(pair.directory, 'agent', 'write-blocks');

/** What a crash in that state leaves. */
async function leave(pair: LinkedPair, state: string): Promise<void> {
  const record = {
    migrationId: OTHER,
    projectId: SOURCE_PROJECT,
    clusterName: SOURCE_DEPLOYMENT,
    state,
    since: new Date().toISOString(),
  };
  await writeFile(join(recordsOf(pair), `${OTHER}.json`), JSON.stringify(record));
}

it('D23, Hazard 15: a write block is refused, set, kept and lifted, also without a server', async () => {
  await using pair = await startLinkedPair({ allowWriteBlock: true });
  const { source, agent, server } = pair;
  const rows = source.client().db('app').collection<{ _id: number }>('rows');
  await rows.insertMany([{ _id: 1 }, { _id: 2 }]);
  const unblock = () =>
    runLinkspan([
      'agent',
      'unblock',
      '--config',
      join(pair.directory, 'agent.yaml'),
      '--state-dir',
      join(pair.directory, 'agent'),
    ]);

  const id = await startBlocking(pair);
  await pair.askForCutover(id);
  if (source.capabilities.userWriteBlock) {
    await pair.until(id, 'COMPLETE', ({ status }) => status === 'COMPLETE');
    await expect(rows.insertOne({ _id: 3 })).rejects.toThrow(/blocked/);
    expect((await unblock()).stdout).toContain('lifted');
    await rows.insertOne({ _id: 3 });
  } else {
    const { cutover } = await pair.until(id, 'failed', (one) => one.cutover.failure !== null);
    expect(cutover.failure).toContain('cannot block writes, which takes MongoDB 6.0');
    await rows.insertOne({ _id: 3 });
  }
  expect(await readdir(recordsOf(pair))).toEqual([]);

  // Only the server knows whether what a crash left is another host's now, or COMPLETE; a command asks nobody.
  await server.kill();
  await leave(pair, 'HELD');
  expect((await unblock()).stdout).toContain('lifted');
  expect(await readdir(recordsOf(pair))).toEqual([]);
  await leave(pair, 'COMPLETING');
  await server.restart();
  await expect.poll(() => readdir(recordsOf(pair)), { timeout: 60_000 }).toEqual([]);

  await agent.kill();
  await server.kill();
  await leave(pair, 'KEPT');
  const lifted = await unblock();
  expect(lifted).toMatchObject({ code: 0, stderr: '' });
  expect(lifted.stdout).toMatch(new RegExp(`${OTHER} +${SOURCE_DEPLOYMENT} +\\S+ +lifted`));
  expect((await unblock()).stdout).toContain('No write block of this migration host is recorded.');

  await leave(pair, 'HELD');
  await server.restart();
  await agent.restart();
  await expect.poll(() => readdir(recordsOf(pair)), { timeout: 60_000 }).toEqual([]);
});
