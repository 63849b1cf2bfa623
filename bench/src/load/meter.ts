import { setTimeout as delay } from 'node:timers/promises';
import type { InsideReading } from './inside.ts';
import { coresBetween, type Groups, readCpu, residentBytes } from './processes.ts';
import type { Service } from './service.ts';

const SAMPLE_MS = 200;

export type GroupName =
  | 'node1'
  | 'node2'
  | 'postgresql'
  | 'mongodb'
  | 'agents'
  | 'generator'
  | 'main';

/** What the machine did during one step. */
export interface Usage {
  /** Cores kept busy: of each program, and of the machine by whatever runs on it. */
  readonly cores: Readonly<Record<GroupName | 'machine', number>>;
  /** Of each node, in bytes, at the end. */
  readonly resident: readonly number[];
  /** Of each node: the share of the time in which its event loop was busy, and its longest delay in ms. */
  readonly eventLoop: readonly { readonly busy: number; readonly longestDelay: number }[];
  /** Waiting for a connection to the store, over both nodes, in milliseconds. */
  readonly storeWait: { readonly mean: number; readonly longest: number };
  /** Connections of both nodes that PostgreSQL worked for or that were within a transaction. */
  readonly storeConnections: { readonly mean: number; readonly most: number };
  /** Transactions that PostgreSQL ended, in a second; one statement alone is one. */
  readonly transactions: number;
}

/** Measures while the work runs. */
export async function measured<T>(
  service: Service,
  groups: Groups<GroupName>,
  work: Promise<T>,
): Promise<{ result: T; usage: Usage }> {
  const { nodes, database } = service;
  const since = Date.now();
  const before = readCpu(groups);
  const committedBefore = await transactionsOf(service);
  const connections: number[] = [];
  let isDone = false;
  const sampling = (async () => {
    while (!isDone) {
      const { rows } = await database.query<{ count: string }>(
        `select count(*) from pg_stat_activity
          where application_name = 'linkspan-server' and state <> 'idle'`,
      );
      connections.push(Number(rows[0]?.count));
      await delay(SAMPLE_MS);
    }
  })();
  let result: T;
  try {
    result = await work;
  } finally {
    isDone = true;
    await sampling;
  }
  const after = readCpu(groups);
  const committed = (await transactionsOf(service)) - committedBefore - connections.length;
  const readings = nodes.map((node) => node.inside(since));
  const store = readings.flat().map((reading) => reading.store);
  const asked = sum(store.map((one) => one.asked));
  return {
    result,
    usage: {
      cores: coresBetween(before, after),
      resident: nodes.map(({ server }) => residentBytes(server.pid)),
      eventLoop: readings.map((those) => ({
        busy: mean(those.map(({ eventLoop }) => eventLoop)),
        longestDelay: longest(those.map(({ longestDelay }: InsideReading) => longestDelay)),
      })),
      storeWait: {
        mean: sum(store.map((one) => one.waited)) / Math.max(1, asked),
        longest: longest(store.map((one) => one.longest)),
      },
      storeConnections: { mean: mean(connections), most: longest(connections) },
      transactions: committed / ((after.at - before.at) / 1000),
    },
  };
}

async function transactionsOf({ database }: Service): Promise<number> {
  const { rows } = await database.query<{ count: string }>(
    `select xact_commit + xact_rollback as count from pg_stat_database
      where datname = current_database()`,
  );
  return Number(rows[0]?.count);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function mean(values: readonly number[]): number {
  return sum(values) / Math.max(1, values.length);
}

function longest(values: readonly number[]): number {
  return Math.max(0, ...values);
}
