import { compareClusters } from '@linkspan/testkit/compare.ts';
import { startFurtherHost, startLinkedPair } from '@linkspan/testkit/linkedPair.ts';
import { MIGRATION_HOST } from '@linkspan/testkit/migrationCalls.ts';
import { expect, it } from 'vitest';
import { Writer } from './writer.ts';

const SECOND = 'second-host.example.net';
const ROWS = 6000;
/** About forty ranges, of which a host copies eight at once. */
const RANGE_BYTES = 65_536;
/** Documents a second of both hosts together until one is killed: slow enough to kill it in the middle. */
const THROTTLE = { documentsPerSecond: 400, bytesPerSecond: null };

it('I3, I5, D9: two hosts copy one collection, one of them is killed, and both sides are equal', async () => {
  await using pair = await startLinkedPair({
    agentEnv: { LINKSPAN_AGENT_COPY_RANGE_BYTES: String(RANGE_BYTES) },
  });
  const rows = pair.source.client().db('app').collection<{ _id: number; padding: string }>('rows');
  await rows.insertMany(
    Array.from({ length: ROWS }, (_, _id) => ({ _id, padding: 'x'.repeat(400) })),
  );
  await using second = await startFurtherHost(pair, SECOND);
  const writer = new Writer(pair.source.client(), 'app', 'rows');
  const id = await pair.start({ throttle: THROTTLE });

  const both = await pair.until(
    id,
    'both copy',
    ({ copyingHosts }) => copyingHosts.length > 0,
    120_000,
  );
  expect(both).toMatchObject({ migrationHosts: [MIGRATION_HOST], copyingHosts: [SECOND] });
  await expect
    .poll(() => second.agent.log(), { timeout: 60_000 })
    .toContain('range copied for another host');
  await second.agent.kill();
  const killed = await pair.describe(id);
  expect(killed.progress?.documentsCopied ?? 0).toBeLessThan(ROWS);
  await pair.unthrottle(id);

  const { progress, copyingHosts } = await pair.until(
    id,
    'ready on what is left',
    ({ readyForCutover }) => readyForCutover,
    120_000,
  );
  expect(copyingHosts).toEqual([]);
  expect(progress?.collections).toMatchObject([{ coll: 'rows', state: 'COPIED' }]);
  await writer.stop();
  await pair.cutOver(id);
  const { differences } = await compareClusters(pair.source.uri, pair.destination.uri);
  expect(differences).toEqual([]);
});
