import type { Network } from '@linkspan/testkit/destinationSide.ts';
import type { LinkedPair } from '@linkspan/testkit/linkedPair.ts';
import type { TestClock } from '@linkspan/testkit/clock.ts';
import type { LinkspanProcess } from '@linkspan/testkit/processes.ts';
import type { SmallDisk } from '@linkspan/testkit/smallDisk.ts';
import type { Random } from '../random.ts';

/** What faults strike: real databases and processes, and the connections between them. */
export interface Target {
  readonly pair: LinkedPair;
  readonly network: Network;
  readonly clock: TestClock;
  /** Where the agent's state is, or null where none can be mounted. */
  readonly disk: SmallDisk | null;
  /** The agent of another migration host, which copies ranges for the one of the pair; null without. */
  readonly furtherAgent: LinkspanProcess | null;
}

export interface Fault {
  /** For the figures. */
  readonly kind: string;
  readonly weight: number;
  /** The source is readable again before it is written again: at rest for a while. */
  readonly restsSource?: boolean;
  /** False where it cannot strike here; said in the figures. */
  isPossible?(target: Target): boolean;
  /**
   * Strikes, and is over with what it comes back with. Everything about it but its moment follows from
   * the seed.
   */
  strike(target: Target, random: Random): Promise<() => Promise<unknown>>;
}

/** How long a fault lasts, in milliseconds: mostly short, sometimes past the patience of a driver. */
export function lasting(random: Random): number {
  return random.chance(0.9) ? random.between(100, 3000) : random.between(5000, 20_000);
}
