import { setTimeout as delay } from 'node:timers/promises';
import { Pool } from 'undici';
import { ApiClient } from '@linkspan/cli/api/client.ts';
import { Random } from '@linkspan/e2e/torture/random.ts';
import { type Figures, figuresOf } from './figures.ts';
import type { Tenant } from './organizations.ts';
import { type Call, Mix, type Targets } from './requests.ts';

/**
 * Makes requests at a given rate, whatever becomes of those before. Started by `fork`: the first message
 * says where to, each further one is an {@link Order}, answered by a {@link Report}.
 */
export interface Setup extends Targets {
  readonly seed: string;
  readonly nodes: readonly string[];
  /** A bare HTTP server of Node. */
  readonly bare: string;
}

export interface Order {
  /** Mixed requests of the API; `GET /live` of the nodes; the same of the bare server. */
  readonly what: 'api' | 'live' | 'bare';
  /** Requests a second. */
  readonly rate: number;
  readonly seconds: number;
}

export interface Report {
  /** From the moment at which a request was to begin, until its answer was read. */
  readonly all: Figures;
  readonly byName: Readonly<Record<string, Figures>>;
  /** How much later than it was to begin a request did. */
  readonly lateness: Figures;
  readonly problems: Readonly<Record<string, number>>;
}

/** The name of what was asked, and what was wrong with the answer, if anything. */
interface Outcome {
  readonly name: string;
  readonly problem: string | null;
}

/** What was not answered by then is counted with the time until then. */
const LAST_ANSWER_MS = 10_000;
/** Beyond that many a step is lost: it ends. */
const MOST_UNDER_WAY = 3000;

async function atRate(
  { rate, seconds }: Order,
  random: Random,
  ask: () => Promise<Outcome>,
): Promise<Report> {
  const latencies = new Map<string, number[]>();
  const failed = new Map<string, number>();
  const late: number[] = [];
  const problems: Record<string, number> = {};
  const count = ({ name, problem }: Outcome, since: number): void => {
    latencies.set(name, latencies.get(name) ?? []);
    latencies.get(name)?.push(performance.now() - since);
    if (problem === null) return;
    failed.set(name, (failed.get(name) ?? 0) + 1);
    problems[`${name}: ${problem}`] = (problems[`${name}: ${problem}`] ?? 0) + 1;
  };
  const underWay = new Map<Promise<void>, number>();
  let due = performance.now();
  const end = due + seconds * 1000;
  while (due < end && underWay.size < MOST_UNDER_WAY) {
    const wait = due - performance.now();
    if (wait > 0) await delay(wait);
    const intended = due;
    late.push(performance.now() - intended);
    const one = ask().then((outcome) => {
      underWay.delete(one);
      count(outcome, intended);
    });
    underWay.set(one, intended);
    // Requests of many clients that know nothing of each other: a Poisson process.
    due += (-Math.log(1 - random.next()) / rate) * 1000;
  }
  await Promise.race([Promise.all(underWay.keys()), delay(LAST_ANSWER_MS)]);
  for (const intended of underWay.values()) {
    count({ name: 'unanswered', problem: 'no answer in time' }, intended);
  }
  const errors = [...failed.values()].reduce((sum, one) => sum + one, 0);
  return {
    all: figuresOf([...latencies.values()].flat(), errors),
    byName: Object.fromEntries(
      [...latencies].map(([name, values]) => [name, figuresOf(values, failed.get(name) ?? 0)]),
    ),
    lateness: figuresOf(late, 0),
    problems,
  };
}

class Generator {
  readonly #setup: Setup;
  readonly #random: Random;
  readonly #mix: Mix;
  readonly #clients = new Map<string, ApiClient>();
  readonly #pools = new Map<string, Pool>();
  #turn = 0;

  constructor(setup: Setup) {
    this.#setup = setup;
    this.#random = new Random(setup.seed);
    this.#mix = new Mix(setup, this.#random.fork('mix'));
  }

  async follow(order: Order): Promise<Report> {
    const { nodes, bare } = this.#setup;
    if (order.what === 'api') {
      return atRate(order, this.#random, () => this.#call(this.#mix.next()));
    }
    const isLive = order.what === 'live';
    return atRate(order, this.#random, () =>
      this.#fetch(isLive ? this.#nextOf(nodes) : bare, isLive ? '/api/linkspan/v1/live' : '/'),
    );
  }

  async #call(call: Call): Promise<Outcome> {
    const { name, method, path, options, wanted } = call;
    try {
      const { status, body } = await this.#clientOf(call).send(method, path, options);
      call.done(status === wanted ? body : null);
      return { name, problem: status === wanted ? null : `status ${status}` };
    } catch (error) {
      call.done(null);
      return { name, problem: (error as Error).message };
    }
  }

  async #fetch(url: string, path: string): Promise<Outcome> {
    const pool = this.#pools.get(url) ?? new Pool(url);
    this.#pools.set(url, pool);
    try {
      const { statusCode, body } = await pool.request({ method: 'GET', path });
      await body.text();
      return { name: path, problem: statusCode === 200 ? null : `status ${statusCode}` };
    } catch (error) {
      return { name: path, problem: (error as Error).message };
    }
  }

  /** Half of the calls with HTTP Digest, half with an access token, at one node and the other in turn. */
  #clientOf({ tenant }: Call): ApiClient {
    const url = this.#nextOf(this.#setup.nodes);
    const credentials = this.#random.chance(0.5) ? tenant.apiKey : tenant.serviceAccount;
    const key = JSON.stringify([url, credentials]);
    const client = this.#clients.get(key) ?? new ApiClient(url, credentials);
    this.#clients.set(key, client);
    return client;
  }

  #nextOf(urls: readonly string[]): string {
    this.#turn += 1;
    return urls[this.#turn % urls.length] as string;
  }

  /** Signs every client in, as one that has run for a while is. */
  async signIn(): Promise<void> {
    const { linked, spare, nodes } = this.#setup;
    const everyone: readonly Tenant[] = [...linked, ...spare];
    for (const tenant of everyone) {
      for (const url of nodes) {
        for (const credentials of [tenant.apiKey, tenant.serviceAccount]) {
          const client = new ApiClient(url, credentials);
          this.#clients.set(JSON.stringify([url, credentials]), client);
          await client.call('GET', `/api/linkspan/v1/orgs/${tenant.orgId}/liveMigrations/link`);
        }
      }
    }
  }
}

process.once('message', (setup: Setup) => {
  const generator = new Generator(setup);
  process.on('message', (order: Order) => {
    void generator.follow(order).then((report) => process.send?.(report));
  });
  void generator.signIn().then(() => process.send?.('ready'));
});
process.once('disconnect', () => process.exit(0));
