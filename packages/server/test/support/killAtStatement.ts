/**
 * Loaded before a server (`--import`) by tests that kill it: SIGKILL right before or after the nth
 * statement that it gives to its store, counted from when the file of LINKSPAN_TEST_KILL_AT appears.
 * Outside of the product: nothing in it knows of this.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { StatementSync } from 'node:sqlite';
import pg from 'pg';

/** What the file holds. */
export interface KillAt {
  /** Counted from 1. */
  readonly statement: number;
  readonly when: 'before' | 'after';
}

const path = process.env['LINKSPAN_TEST_KILL_AT'] ?? '';
let killAt: KillAt | null = null;
let count = 0;

/** @returns what to do after the statement */
function step(): () => void {
  if (killAt === null) {
    try {
      killAt = JSON.parse(readFileSync(path, 'utf8')) as KillAt;
    } catch {
      return () => {};
    }
  }
  count += 1;
  writeFileSync(`${path}.count`, `${count}`);
  const { statement, when } = killAt;
  const kill = (): void => void process.kill(process.pid, 'SIGKILL');
  if (count === statement && when === 'before') kill();
  return count === statement && when === 'after' ? kill : () => {};
}

for (const method of ['all', 'run'] as const) {
  // oxlint-disable-next-line typescript/unbound-method -- it is called with its statement below
  const plain = StatementSync.prototype[method] as (...values: unknown[]) => unknown;
  StatementSync.prototype[method] = function counted(this: StatementSync, ...values: unknown[]) {
    const after = step();
    try {
      return plain.apply(this, values);
    } finally {
      after();
    }
  } as never;
}

// oxlint-disable-next-line typescript/unbound-method -- it is called with its client below
const query = pg.Client.prototype.query as (...values: unknown[]) => unknown;
pg.Client.prototype.query = function counted(this: pg.Client, ...values: unknown[]) {
  const after = step();
  const result = query.apply(this, values);
  return result instanceof Promise ? result.finally(after) : result;
} as never;
