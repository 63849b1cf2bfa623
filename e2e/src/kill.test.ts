import { setTimeout as delay } from 'node:timers/promises';
import { compareClusters } from '@linkspan/testkit/compare.ts';
import { type LinkedPair, startLinkedPair } from '@linkspan/testkit/linkedPair.ts';
import { expect, it } from 'vitest';
import { Writer } from './writer.ts';

const ROWS = 20_000;
const PADDING = 'x'.repeat(500);

/** So many documents that a copy takes seconds: long enough to be killed in the middle. */
async function loadRows(pair: LinkedPair): Promise<void> {
  const rows = pair.source.client().db('app').collection<{ _id: number; padding: string }>('rows');
  for (let first = 0; first < ROWS; first += 2000) {
    const batch = Array.from({ length: 2000 }, (_, index) => ({
      _id: first + index,
      padding: PADDING,
    }));
    await rows.insertMany(batch, { writeConcern: { w: 'majority', j: true } });
  }
}

/** Waits until some of the copy is at the destination and some is not. */
async function inMidCopy(pair: LinkedPair, atLeast: number): Promise<void> {
  const rows = pair.destination.client().db('app').collection('rows');
  for (;;) {
    const count = await rows.estimatedDocumentCount();
    if (count >= atLeast) {
      expect(count, 'the copy was over before anything could be killed').toBeLessThan(ROWS);
      return;
    }
    await delay(10);
  }
}

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
  const id = await pair.start();
  await inMidCopy(pair, 2000);
  await pair.agent.kill();
  const afterAgent = await pair.destination.client().db('app').collection('rows').countDocuments();
  await pair.agent.restart();
  await inMidCopy(pair, Math.min(afterAgent + 2000, ROWS - 4000));
  await pair.server.kill();
  await pair.server.restart();
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
