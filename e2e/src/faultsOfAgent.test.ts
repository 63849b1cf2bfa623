import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { LiveMigrationDetail } from '@linkspan/contract/api/liveMigrations.ts';
import { runLinkspan, startAgent } from '@linkspan/testkit/processes.ts';
import { NO_SMALL_DISK } from '@linkspan/testkit/smallDisk.ts';
import { expect, it } from 'vitest';
import { rounds, useFaultyPair } from './faultyPair.ts';

const faulty = useFaultyPair();

it('I5: requests of an agent that was killed come late, when the next one pushes', async () => {
  const { pair, network } = faulty.parts;
  const { server } = network;
  const writer = faulty.write();
  const id = await faulty.start();
  await faulty.tailing(id);
  server.freeze();
  await rounds(writer, 30);
  await expect.poll(() => server.held).toBeGreaterThan(0);
  await pair.agent.kill();
  const restarted = pair.agent.restart();
  await delay(300);
  await server.heal();
  await restarted;
  await rounds(writer, 30);
  await faulty.finish(id, writer);
});

it('I4: a full disk under the journal is said, loses nothing, and is over by itself', async ({
  skip,
}) => {
  const { source, pair, network, disk } = faulty.parts;
  if (disk === null) return skip(NO_SMALL_DISK);
  const writer = faulty.write();
  const id = await faulty.start();
  await faulty.tailing(id);
  network.destination.freeze();
  await disk.fill();
  // More than the journal's file has room for by itself: what is pushed makes room for what follows.
  const wide = source.client().db('app').collection<{ _id: string }>('wide');
  await wide.insertMany(
    Array.from({ length: 6000 }, (_, number) => ({ _id: String(number).padEnd(300, 'k') })),
    { writeConcern: { w: 'majority', j: true } },
  );
  const full = await faulty.waiting(id, /disk of the journal .* is full|cannot be written/);
  expect(full.readyForCutover).toBe(false);
  await pair.agent.restart();
  await faulty.waiting(id, /disk of the journal .* is full|cannot be written/);
  await disk.free();
  await network.destination.heal();
  await rounds(writer, 20);
  await faulty.finish(id, writer);
});

it('I8: clocks of agent and server that jump change neither what is moved nor the lag', async () => {
  const { pair, clock } = faulty.parts;
  const writer = faulty.write();
  const id = await faulty.start();
  await faulty.tailing(id);
  for (const hours of [30, -30]) {
    clock.jumpTo(hours * 3_600_000);
    // A report from before the jump is one of another time: the lag is shown by the next one.
    await delay(1500);
    await rounds(writer, 10);
    const isSmall = ({ lagTimeSeconds }: LiveMigrationDetail): boolean =>
      lagTimeSeconds !== null && lagTimeSeconds < 20;
    await pair.until(id, 'a lag of seconds', isSmall);
  }
  clock.jumpTo(0);
  await faulty.finish(id, writer);
});

it('Hazard 14, I5: two agents with one state directory, and with a copy of it', async () => {
  const { pair } = faulty.parts;
  const writer = faulty.write();
  const id = await faulty.start();
  await faulty.tailing(id);
  const config = ['--config', join(pair.directory, 'agent.yaml')];
  const own = faulty.agentStateDir;
  const second = await runLinkspan(['agent', ...config, '--state-dir', own]);
  expect(second.code).not.toBe(0);
  expect(second.stdout + second.stderr).toContain(
    'another linkspan agent uses the state directory',
  );

  const copy = join(pair.directory, 'copy');
  await cp(own, copy, { recursive: true });
  {
    await using _thief = await startAgent({ args: [...config, '--state-dir', copy] });
    await expect.poll(() => pair.agent.log()).toContain('another process took over');
    await rounds(writer, 20);
  }
  await pair.agent.restart();
  await rounds(writer, 10);
  await faulty.finish(id, writer);
});
