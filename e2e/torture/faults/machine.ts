import type { Fault } from './fault.ts';

const HOUR_MS = 3_600_000;

/** What a machine does to the processes on it. */
export const MACHINE_FAULTS: readonly Fault[] = [
  {
    kind: 'clocks of agent and server jump',
    weight: 2,
    async strike({ clock }, random) {
      clock.jumpTo(random.between(-48, 48) * HOUR_MS);
      // It stays where it is until the next jump.
      return async () => undefined;
    },
  },
  {
    kind: 'disk of the agent full',
    weight: 2,
    isPossible: ({ disk }) => disk !== null,
    async strike({ disk }) {
      await disk?.fill();
      return async () => disk?.free();
    },
  },
];
