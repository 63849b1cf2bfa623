import type { Network } from '@linkspan/testkit/destinationSide.ts';
import type { Fault } from './fault.ts';

const LINKS: readonly { readonly name: keyof Network; readonly between: string }[] = [
  { name: 'source', between: 'agent and source' },
  { name: 'server', between: 'agent and server' },
  { name: 'destination', between: 'server and destination' },
];

function faultsOf({ name, between }: (typeof LINKS)[number]): Fault[] {
  const heal =
    ({ network }: { network: Network }) =>
    () =>
      network[name].heal();
  return [
    {
      kind: `connections cut, ${between}`,
      weight: 2,
      async strike(target) {
        target.network[name].cut();
        return heal(target);
      },
    },
    {
      kind: `reset in mid-batch, ${between}`,
      weight: 2,
      async strike(target, random) {
        const direction = random.pick(['up', 'down'] as const);
        target.network[name].resetAfter(direction, random.between(1, 200_000));
        return heal(target);
      },
    },
    {
      kind: `answer lost, ${between}`,
      weight: 2,
      async strike(target) {
        target.network[name].resetAfter('down', 0);
        return heal(target);
      },
    },
    {
      kind: `slow, ${between}`,
      weight: 1,
      async strike(target, random) {
        target.network[name].slowDown(random.between(20_000, 400_000));
        return heal(target);
      },
    },
    {
      kind: `frozen, ${between}`,
      weight: 1,
      async strike(target) {
        target.network[name].freeze();
        return heal(target);
      },
    },
    {
      kind: `refused, ${between}`,
      weight: 1,
      async strike(target) {
        await target.network[name].refuse();
        return heal(target);
      },
    },
    {
      kind: `last requests held back and delivered late, ${between}`,
      weight: 1,
      async strike(target) {
        const proxy = target.network[name];
        proxy.freeze();
        return async () => {
          proxy.abandon();
          await proxy.heal();
        };
      },
    },
  ];
}

export const NETWORK_FAULTS: readonly Fault[] = LINKS.flatMap(faultsOf);
