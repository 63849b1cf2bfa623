import type { Deployment, Inventory } from '@linkspan/contract/push/host.ts';
import { pino } from 'pino';
import { expect, test } from 'vitest';

import { runHeartbeat } from '../../src/link/heartbeat.ts';
import { LinkRefusedError } from '../../src/push/errors.ts';
import { TransientPushError } from '../../src/push/transport.ts';

const PROJECT = {
  id: 'a'.repeat(24),
  name: 'Shop',
  deployments: [
    { name: 'rs0', uri: 'mongodb://db0', allowWriteBlock: false },
    { name: 'rs1', uri: 'mongodb://db1', allowWriteBlock: false },
  ],
};

function described(name: string): Deployment {
  return {
    name,
    mongoDBVersion: '8.0.0',
    featureCompatibilityVersion: '8.0',
    managed: false,
    sharded: false,
    tlsEnabled: false,
  };
}

/** Answers each inventory with the next outcome; the last one ends the loop. */
function heartbeat(
  outcomes: (Error | null)[],
  describe: (name: string) => Promise<Deployment>,
): { sent: Inventory[]; reported: () => number; run: Promise<void> } {
  const sent: Inventory[] = [];
  let reported = 0;
  const client = {
    inventory: async (message: Inventory) => {
      sent.push(message);
      const outcome = outcomes.shift();
      if (outcome instanceof Error) throw outcome;
    },
  };
  const run = runHeartbeat(
    {
      client,
      hostname: 'host1',
      agentVersion: '1',
      projects: [PROJECT],
      heartbeatSeconds: 0,
      describe,
      log: pino({ level: 'silent' }),
      onReported: () => (reported += 1),
    },
    new AbortController().signal,
  );
  return { sent, reported: () => reported, run };
}

function namesOf(inventory: Inventory): string[] {
  return inventory.projects[0]?.deployments.map(({ name }) => name) ?? [];
}

test('a deployment that cannot be reached is left out until it can, and delays nothing', async () => {
  let failed = false;
  const outcomes = [null, null, new LinkRefusedError('removed')];
  const { sent, run } = heartbeat(outcomes, async (name) => {
    if (name === 'rs0' || failed) return described(name);
    failed = true;
    throw new Error('db1: connection refused');
  });
  await expect(run).rejects.toThrow(LinkRefusedError);
  // The second heartbeat did not wait for the description that was under way.
  expect(sent.map(namesOf)).toEqual([['rs0'], ['rs0'], ['rs0', 'rs1']]);
});

test('a heartbeat that did not arrive is sent again, and counts as reported only then', async () => {
  const outcomes = [new TransientPushError('no answer'), null, new LinkRefusedError('removed')];
  const { sent, reported, run } = heartbeat(outcomes, async (name) => described(name));
  await expect(run).rejects.toThrow(LinkRefusedError);
  expect([sent.length, reported()]).toEqual([3, 1]);
});
