import { setTimeout as delay } from 'node:timers/promises';
import { compareClusters } from '@linkspan/testkit/compare.ts';
import { type LinkedPair, startLinkedPair } from '@linkspan/testkit/linkedPair.ts';
import { expect, it } from 'vitest';
import { inMidCopy, loadRows, ROWS, STEADILY } from './rows.ts';
import { Writer } from './writer.ts';

async function finish(pair: LinkedPair, id: string, writer: Writer): Promise<void> {
  await pair.until(id, 'ready', ({ readyForCutover }) => readyForCutover, 120_000);
  await writer.stop();
  await pair.cutOver(id);
  const { differences } = await compareClusters(pair.source.uri, pair.destination.uri);
  expect(differences).toEqual([]);
}

it('I3: survives kill -9 of agent and server in mid-copy', async () => {
  await using pair = await startLinkedPair();
  await loadRows(pair);
  const writer = new Writer(pair.source.client(), 'app', 'rows');
  const id = await pair.start(STEADILY);
  await inMidCopy(pair, 2000);
  await pair.agent.kill();
  const afterAgent = await pair.destination.client().db('app').collection('rows').countDocuments();
  await pair.agent.restart();
  await inMidCopy(pair, Math.min(afterAgent + 2000, ROWS - 4000));
  await pair.server.kill();
  await pair.server.restart();
  await pair.unthrottle(id);
  await finish(pair, id, writer);
});

it('I3: survives kill -9 of agent and server in mid-tail', async () => {
  await using pair = await startLinkedPair();
  await loadRows(pair);
  const id = await pair.start();
  await pair.until(id, 'tailing', ({ progress }) => progress?.phase === 'TAILING', 120_000);
  const writer = new Writer(pair.source.client(), 'app', 'rows');
  for (const victim of [pair.agent, pair.server, pair.agent, pair.server]) {
    const { rounds } = writer;
    while (writer.rounds < rounds + 50) await delay(10);
    await victim.kill();
    await victim.restart();
  }
  await finish(pair, id, writer);
});
