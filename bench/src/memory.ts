import { setTimeout as delay } from 'node:timers/promises';
import { loadCities } from '@linkspan/demo/data.ts';
import { type LinkedPair, startLinkedPair } from '@linkspan/testkit/linkedPair.ts';

const MEBIBYTE = 1024 * 1024;

/** What agent and server may each have resident at once, in bytes. */
const WANTED_BYTES = 250e6;

/**
 * Migrates the data set of the demo once, and then twice over in the same processes, through the
 * cutover, and prints the peak RSS of agent and server each time: memory must not follow the data.
 */
export async function benchMemory(): Promise<void> {
  await using pair = await startLinkedPair();
  const client = pair.source.client();
  await print(pair, 'before');
  await loadCities(client, 'cities');
  await migrate(pair, false);
  await print(pair, 'data set once');
  await loadCities(client, 'citiesAgain');
  await migrate(pair, true);
  await print(pair, 'data set twice over');
}

async function migrate(pair: LinkedPair, dropDestinationData: boolean): Promise<void> {
  const id = await pair.start({ dropDestinationData });
  const isReady = ({ readyForCutover }: { readyForCutover: boolean }): boolean => readyForCutover;
  await pair.until(id, 'ready for cutover', isReady, 10 * 60_000);
  await pair.cutOver(id, 5 * 60_000);
  // The last report is on its way.
  await delay(1000);
}

async function print(pair: LinkedPair, when: string): Promise<void> {
  const [agent, server] = [await pair.agent.rssBytes(), await pair.server.rssBytes()];
  const verdict = Math.max(agent, server) < WANTED_BYTES ? 'under' : 'OVER';
  console.log(
    `${when.padEnd(20)} peak RSS: agent ${Math.round(agent / MEBIBYTE)} MiB, server ${Math.round(server / MEBIBYTE)} MiB (${verdict} 250 MB)`,
  );
}
