import { setTimeout as delay } from 'node:timers/promises';
import { concurrently } from '@linkspan/contract/tasks/concurrently.ts';
import { Child } from './children.ts';
import type { Order, Report, Setup } from './generator.ts';
import { type GroupName, measured } from './meter.ts';
import { linkTenant, makeTenant } from './organizations.ts';
import { giveWay, type Groups, residentBytes } from './processes.ts';
import {
  costOf,
  fullest,
  mebibytes,
  ms,
  percent,
  problemsOf,
  slowest,
  type Step,
  tableOf,
  othersOf,
} from './report.ts';
import { search } from './search.ts';
import { startService } from './service.ts';
import { Writers } from './writers.ts';

export interface LoadOptions {
  /** Of measuring, once everything is linked. */
  readonly minutes: number;
  readonly organizations: number;
  readonly agents: number;
  /** Of the sources, all together. */
  readonly changesPerSecond: number;
  readonly sources: number;
  /** Requests a second of the first step. */
  readonly firstRate: number;
  readonly seed: string;
}

/** The bound of the 99th percentile, in milliseconds. */
const BOUND_MS = 50;
/** Of which a step may have so many in a thousand. */
const MOST_ERRORS = 1 / 1000;
const STEP_SECONDS = 15;
/** Of a step at least: a 99th percentile of fewer is their maximum. */
const STEP_REQUESTS = 300;
const LONGEST_STEP_SECONDS = 40;
const BASELINE_SECONDS = 5;
const SETTLE_SECONDS = 2;
const AGENT_PROCESSES = 2;
/** Cores in use by other work beyond which a rate that does not hold is tried again. */
const DISTURBED = 0.3;
const TRIES = 3;
/** Organizations that make and remove their link-token all the time. */
const SPARE = 4;
/** Organizations that are linked at once. */
const AT_ONCE = 5;

/**
 * Sets up everything with real parts, raises the rate of mixed requests until their 99th percentile is
 * over the bound, and prints what it has measured.
 */
export async function load(options: LoadOptions, print: (line: string) => void): Promise<void> {
  const started = performance.now();
  const { organizations, agents, seed } = options;
  const service = await startService(options.sources);
  await using resources = new AsyncDisposableStack();
  resources.use(service);
  print(`idle, RSS of the nodes: ${residents(service)} MiB`);

  const hosts = Math.floor(agents / organizations);
  const workers = Array.from({ length: AGENT_PROCESSES }, () =>
    resources.use(new Child('agents.ts')),
  );
  for (const worker of workers) {
    worker.onMessage((ended) => print(`an agent ended: ${JSON.stringify(ended)}`));
  }
  const indexes = Array.from({ length: organizations }, (_, index) => index);
  const linked = await concurrently(indexes, AT_ONCE, async (index) => {
    const tenant = await makeTenant(service, `Organization ${index}`);
    const worker = workers[index % workers.length] as Child;
    return linkTenant(tenant, { service, index, hosts, start: (agent) => worker.send([agent]) });
  });
  const spare = await concurrently(indexes.slice(0, SPARE), 1, (index) =>
    makeTenant(service, `Spare ${index}`),
  );
  const writers = resources.use(
    new Writers(
      linked.map(({ source, database }) => ({
        source: service.sources[source] as (typeof service.sources)[0],
        database,
      })),
      options.changesPerSecond,
    ),
  );
  const bareServer = resources.use(new Child('bareServer.ts'));
  const bare = `http://127.0.0.1:${await bareServer.next<number>()}`;
  const generator = resources.use(new Child('generator.ts'));
  const nodes = service.nodes.map(({ url }) => url);
  generator.send({ seed, nodes, bare, linked, spare } satisfies Setup);
  await generator.next();
  print(
    `${organizations} organizations with ${hosts * organizations} agents and ${linked.length} live migrations after ${secondsSince(started)} s; RSS of the nodes: ${residents(service)} MiB`,
  );

  const groups: Groups<GroupName> = {
    node1: () => [service.nodes[0]?.server.pid ?? 0],
    node2: () => [service.nodes[1]?.server.pid ?? 0],
    postgresql: service.pids.postgresql,
    mongodb: service.pids.mongodb,
    agents: () => workers.map(({ pid }) => pid),
    generator: () => [generator.pid, bareServer.pid],
    main: () => [process.pid],
  };
  // They share the processors with the nodes here alone, which must not wait for them.
  await giveWay([...groups.mongodb(), ...groups.agents()]);
  const order = (given: Order): Promise<Report> => {
    generator.send(given);
    return generator.next<Report>();
  };
  const quiet = await measured(service, groups, delay(STEP_SECONDS * 1000));
  printQuiet(quiet.usage, print);

  const steps: Step[] = [];
  const deadline = performance.now() + options.minutes * 60_000;
  const attempt = async (rate: number): Promise<Step> => {
    await order({ what: 'api', rate, seconds: SETTLE_SECONDS });
    const seconds = Math.min(
      LONGEST_STEP_SECONDS,
      Math.max(STEP_SECONDS, Math.ceil(STEP_REQUESTS / rate)),
    );
    const work = order({ what: 'api', rate, seconds });
    const { result: api, usage } = await measured(service, groups, work);
    const live = await order({ what: 'live', rate, seconds: BASELINE_SECONDS });
    const bareReport = await order({ what: 'bare', rate, seconds: BASELINE_SECONDS });
    const held = api.all.p99 <= BOUND_MS && api.all.errors <= api.all.count * MOST_ERRORS;
    const step = { rate, held, api, live, bare: bareReport, usage };
    print(
      `${rate}/s: p50 ${ms(api.all.p50)}, p99 ${ms(api.all.p99)} ms (GET /live ${ms(live.all.p99)}, bare server ${ms(bareReport.all.p99)}), ${api.all.errors} errors, other work on ${othersOf(step).toFixed(2)} cores: ${held ? 'held' : 'not held'}`,
    );
    for (const line of problemsOf(step)) print(line);
    return step;
  };
  const trial = async (rate: number): Promise<void> => {
    let step = await attempt(rate);
    for (let n = 1; n < TRIES && !step.held && othersOf(step) > DISTURBED; n += 1) {
      const again = await attempt(rate);
      if (again.api.all.p99 < step.api.all.p99) step = again;
    }
    steps.push(step);
  };
  let found = search(options.firstRate, steps);
  while (found.next !== null && performance.now() < deadline) {
    await trial(found.next);
    found = search(options.firstRate, steps);
    // The best is measured once more: what held by luck has not held.
    const { next, best } = found;
    if (next !== null || best === null || timesHeld(steps, best) > 1) continue;
    await trial(best);
    found = search(options.firstRate, steps);
  }
  print(tableOf(steps.toSorted((a, b) => a.rate - b.rate)));
  const { best } = found;
  print(`highest rate with p99 ≤ ${BOUND_MS} ms: ${best === null ? 'none' : `${best} a second`}`);
  print('highest rate that was tried, and how full things were:');
  printFullest(steps, quiet.usage, print);
  const last = steps.filter(({ rate }) => rate === best).at(-1) ?? steps.at(-1);
  if (last !== undefined) print(`its requests, in milliseconds:\n${slowest(last)}`);
  print(`documents changed at the sources: ${writers.written}`);
}

function printFullest(
  steps: readonly Step[],
  quiet: Step['usage'],
  print: (line: string) => void,
): void {
  const [busiest] = steps.toSorted((a, b) => b.rate - a.rate);
  if (busiest === undefined) return;
  for (const [what, share] of fullest(busiest)) print(`  ${percent(share)} of ${what}`);
  const { nodes, postgresql } = costOf(busiest, quiet);
  print(
    `one request costs ${nodes.toFixed(1)} ms of processor time at the nodes, ${postgresql.toFixed(1)} ms at PostgreSQL`,
  );
}

function timesHeld(steps: readonly Step[], rate: number): number {
  return steps.filter((step) => step.rate === rate && step.held).length;
}

function printQuiet(usage: Step['usage'], print: (line: string) => void): void {
  const cores = Object.entries(usage.cores).map(([name, busy]) => `${name} ${busy.toFixed(2)}`);
  const loops = usage.eventLoop.map(({ busy }) => percent(busy)).join(' and ');
  print(
    `without requests of the API: cores ${cores.join(', ')}; event loops ${loops}; ${usage.transactions.toFixed(0)} transactions a second`,
  );
}

function residents({ nodes }: Awaited<ReturnType<typeof startService>>): string {
  return nodes.map(({ server }) => mebibytes(residentBytes(server.pid))).join(' and ');
}

function secondsSince(since: number): string {
  return ((performance.now() - since) / 1000).toFixed(0);
}
