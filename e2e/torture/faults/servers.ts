import {
  type FailCommand,
  failCommands,
  healCommands,
  INTERRUPTED_AT_SHUTDOWN,
  NOT_WRITABLE_PRIMARY,
  stepDown,
  UNAUTHORIZED,
} from '@linkspan/testkit/failPoints.ts';
import type { Random } from '../random.ts';
import type { Fault, Target } from './fault.ts';

/** What the agent sends to a source, and what the server writes with. */
const READS = ['find', 'getMore', 'aggregate', 'listCollections', 'listIndexes', 'ping'];
const WRITES = [
  'insert',
  'update',
  'delete',
  'create',
  'createIndexes',
  'drop',
  'renameCollection',
];

/** The destination's other clients are the torture's own; the server's connections have names of their own. */
const SOURCE_ONLY = { appName: 'linkspan-agent' } as const;

type Side = 'source' | 'destination';

function failing(
  kind: string,
  side: Side,
  weight: number,
  rule: (random: Random) => FailCommand & { readonly times?: number },
): Fault {
  return {
    kind: `${kind}, ${side}`,
    weight,
    isPossible: ({ pair }) => pair[side].capabilities.failCommand,
    async strike({ pair }, random) {
      const { times, ...data } = rule(random);
      await failCommands(pair[side], data, times);
      return () => healCommands(pair[side]);
    },
  };
}

const retryable = (random: Random): Pick<FailCommand, 'errorCode' | 'closeConnection'> =>
  random.pick([
    { errorCode: NOT_WRITABLE_PRIMARY },
    { errorCode: INTERRUPTED_AT_SHUTDOWN },
    { closeConnection: true },
  ]);

function steppingDown(side: Side): Fault {
  return {
    kind: `stepdown of the primary, ${side}`,
    weight: 1,
    restsSource: side === 'source',
    isPossible: ({ pair }: Target) => pair[side].capabilities.control,
    async strike({ pair }, random) {
      await stepDown(pair[side], random.between(1, 4));
      return async () => undefined;
    },
  };
}

export const SERVER_FAULTS: readonly Fault[] = [
  failing('retryable errors', 'source', 3, (random) => ({
    failCommands: [random.pick(READS)],
    ...retryable(random),
    ...SOURCE_ONLY,
    times: random.between(1, 5),
  })),
  failing('retryable errors', 'destination', 3, (random) => ({
    failCommands: [random.pick(WRITES)],
    ...retryable(random),
    times: random.between(1, 5),
  })),
  failing('fatal errors', 'source', 1, (random) => ({
    failCommands: [random.pick(READS)],
    errorCode: UNAUTHORIZED,
    ...SOURCE_ONLY,
    times: random.between(1, 3),
  })),
  failing('fatal errors', 'destination', 1, (random) => ({
    failCommands: [random.pick(['insert', 'update', 'delete'])],
    errorCode: UNAUTHORIZED,
    times: random.between(1, 3),
  })),
  failing('write concern errors', 'destination', 2, (random) => ({
    failCommands: ['insert', 'update', 'delete'],
    writeConcernError: { code: random.pick([64, 91]), errmsg: 'waiting for replication' },
    times: random.between(1, 5),
  })),
  failing('all writes refused', 'destination', 1, () => ({
    failCommands: WRITES,
    errorCode: NOT_WRITABLE_PRIMARY,
  })),
  failing('history lost', 'source', 1, () => ({
    failCommands: ['aggregate'],
    errorCode: 286,
    ...SOURCE_ONLY,
    times: 1,
  })),
  steppingDown('source'),
  steppingDown('destination'),
];
