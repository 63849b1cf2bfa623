import type { LinkspanProcess } from '@linkspan/testkit/processes.ts';
import type { MongoDB } from '@linkspan/testkit/mongodb.ts';
import type { Fault, Target } from './fault.ts';

type Victim = Pick<LinkspanProcess & MongoDB, 'kill' | 'restart' | 'suspend' | 'resume'>;

const VICTIMS = ['agent', 'server', 'source', 'destination', 'further agent'] as const;

function victimOf({ pair, furtherAgent }: Target, name: (typeof VICTIMS)[number]): Victim {
  if (name !== 'further agent') return pair[name];
  if (furtherAgent === null) throw new Error('there is one migration host only');
  return furtherAgent;
}

function isOurs({ pair, furtherAgent }: Target, name: (typeof VICTIMS)[number]): boolean {
  if (name === 'further agent') return furtherAgent !== null;
  return (name !== 'source' && name !== 'destination') || pair[name].capabilities.control;
}

const kills: readonly Fault[] = VICTIMS.map((name) => ({
  kind: `kill -9 of the ${name}`,
  weight: 3,
  restsSource: name === 'source',
  isPossible: (target) => isOurs(target, name),
  async strike(target) {
    const victim = victimOf(target, name);
    if (name === 'source' || name === 'destination') await killDatabase(target, name);
    else await victim.kill();
    return () => victim.restart();
  },
}));

/**
 * SecantusDB loses structure that it has acknowledged, also with `j: true`, unless a document was written
 * durably since; a mongod does not. So nothing gets through of what it answers from before it is made
 * durable until it is dead.
 */
async function killDatabase(
  { pair, network }: Target,
  name: 'source' | 'destination',
): Promise<void> {
  const mongodb = pair[name];
  if (mongodb.server !== 'SecantusDB') return mongodb.kill();
  network[name].freeze();
  await mongodb
    .client()
    .db('admin')
    .command({ fsync: 1 })
    // It may just be without a primary.
    .catch(() => undefined);
  await mongodb.kill();
  network[name].cut();
  await network[name].heal();
}

const stops: readonly Fault[] = VICTIMS.map((name) => ({
  kind: `SIGSTOP of the ${name}`,
  weight: 1,
  isPossible: (target) => isOurs(target, name),
  async strike(target) {
    const victim = victimOf(target, name);
    victim.suspend();
    return async () => victim.resume();
  },
}));

/** Killed again as soon as it runs: whatever it does first is cut short, too. */
const twice: readonly Fault[] = (['agent', 'server'] as const).map((name) => ({
  kind: `kill -9 of the ${name}, twice`,
  weight: 1,
  async strike(target) {
    const victim = victimOf(target, name);
    await victim.kill();
    await victim.restart();
    await victim.kill();
    return () => victim.restart();
  },
}));

export const PROCESS_FAULTS: readonly Fault[] = [...kills, ...stops, ...twice];
