import { availableParallelism } from 'node:os';
import type { Report } from './generator.ts';
import type { Usage } from './meter.ts';

const MEBIBYTE = 1024 * 1024;
/** Of two nodes, as `--store-connections` has it unless it is told otherwise. */
const STORE_CONNECTIONS = 20;

export interface Step {
  readonly rate: number;
  readonly held: boolean;
  readonly api: Report;
  /** The same rate of `GET /live` at the nodes, and of a bare HTTP server, in the same seconds. */
  readonly live: Report;
  readonly bare: Report;
  readonly usage: Usage;
}

const COLUMNS: readonly (readonly [string, (step: Step) => string])[] = [
  ['rate', ({ rate }) => `${rate}`],
  ['p50', ({ api }) => ms(api.all.p50)],
  ['p95', ({ api }) => ms(api.all.p95)],
  ['p99', ({ api }) => ms(api.all.p99)],
  ['errors', ({ api }) => `${api.all.errors} of ${api.all.count}`],
  ['live p99', ({ live }) => ms(live.all.p99)],
  ['bare p99', ({ bare }) => ms(bare.all.p99)],
  ['late p99', ({ api }) => ms(api.lateness.p99)],
  ['nodes', ({ usage: { cores } }) => `${cores.node1.toFixed(2)} ${cores.node2.toFixed(2)}`],
  ['PostgreSQL', ({ usage: { cores } }) => cores.postgresql.toFixed(2)],
  ['MongoDB', ({ usage: { cores } }) => cores.mongodb.toFixed(2)],
  ['agents', ({ usage: { cores } }) => cores.agents.toFixed(2)],
  ['generator', ({ usage: { cores } }) => (cores.generator + cores.main).toFixed(2)],
  ['machine', ({ usage: { cores } }) => cores.machine.toFixed(2)],
  ['others', (step) => othersOf(step).toFixed(2)],
  ['loops', ({ usage }) => usage.eventLoop.map(({ busy }) => percent(busy)).join(' ')],
  ['loop late', ({ usage }) => ms(Math.max(...usage.eventLoop.map((one) => one.longestDelay)))],
  ['store wait', ({ usage: { storeWait } }) => `${ms(storeWait.mean)} (${ms(storeWait.longest)})`],
  [
    'connections',
    ({
      usage: {
        storeConnections: { mean, most },
      },
    }) => `${mean.toFixed(1)} (${most})`,
  ],
  ['store tx/s', ({ usage }) => usage.transactions.toFixed(0)],
  ['RSS', ({ usage }) => usage.resident.map(mebibytes).join(' ')],
];

/** Cores that were busy with the load, its databases and its nodes. */
function ownCores({ machine, ...own }: Step['usage']['cores']): number {
  return Math.min(
    machine,
    Object.values(own).reduce((sum, cores) => sum + cores, 0),
  );
}

/** Cores that were busy with what is no part of the load. */
export function othersOf({ usage: { cores } }: Pick<Step, 'usage'>): number {
  return Math.max(0, cores.machine - ownCores(cores));
}

/** Milliseconds and cores, as a table in Markdown. */
export function tableOf(steps: readonly Step[]): string {
  const rows = [
    COLUMNS.map(([name]) => name),
    COLUMNS.map(() => '---'),
    ...steps.map((step) => COLUMNS.map(([, show]) => show(step))),
  ];
  return rows.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** p50 and p99 of each kind of request, the slowest first. */
export function slowest({ api }: Step): string {
  return Object.entries(api.byName)
    .toSorted(([, a], [, b]) => b.p99 - a.p99)
    .map(([name, { count, p50, p99 }]) => `  ${name}: ${count}, p50 ${ms(p50)}, p99 ${ms(p99)}`)
    .join('\n');
}

export function problemsOf({ api }: Step): string[] {
  return Object.entries(api.problems).map(([problem, count]) => `  ${count} × ${problem}`);
}

export function ms(value: number): string {
  return value.toFixed(value < 10 ? 1 : 0);
}

export function percent(share: number): string {
  return `${Math.round(share * 100)}%`;
}

export function mebibytes(bytes: number): string {
  return `${Math.round(bytes / MEBIBYTE)}`;
}

/** Processor milliseconds that one request of the API costs: of both nodes, and of PostgreSQL. */
export function costOf({ rate, usage }: Step, quiet: Usage): { nodes: number; postgresql: number } {
  const more = (name: 'node1' | 'node2' | 'postgresql'): number =>
    usage.cores[name] - quiet.cores[name];
  return {
    nodes: ((more('node1') + more('node2')) / rate) * 1000,
    postgresql: (more('postgresql') / rate) * 1000,
  };
}

/** How full everything was that can be, the fullest first: what is near 100% saturates. */
export function fullest({ usage }: Step): readonly (readonly [string, number])[] {
  const { cores, eventLoop, storeConnections } = usage;
  const nodes = Math.max(cores.node1, cores.node2);
  const shares: (readonly [string, number])[] = [
    ['the processors of the machine, by the load', ownCores(cores) / availableParallelism()],
    ['the processors of the machine, by whatever runs', cores.machine / availableParallelism()],
    ['the thread of the busier node', nodes],
    ['the event loop of the busier node', Math.max(...eventLoop.map(({ busy }) => busy))],
    ['the connections of the nodes to the store', storeConnections.mean / STORE_CONNECTIONS],
    ['the thread of the generator', cores.generator],
  ];
  return shares.toSorted(([, a], [, b]) => b - a);
}
