/**
 * Loaded before a server (`--import`) by tests that kill it: SIGKILL within the nth transaction that
 * changes something, counted from when the file of LINKSPAN_TEST_KILL_AT appears. Outside of the product:
 * nothing in it knows of this.
 */
import { readFileSync } from 'node:fs';
import { StatementSync } from 'node:sqlite';
import pg from 'pg';

/** What the file holds. */
export interface KillAt {
  /** Of those that change something; counted from 1. */
  readonly transaction: number;
  /** After which statement of it that changes something; counted from 1. */
  readonly at: number | 'before its commit' | 'after its commit';
}

const path = process.env['LINKSPAN_TEST_KILL_AT'] ?? '';
let killAt: KillAt | null = null;
let transactions = 0;

/** Of one connection: null outside of a transaction. */
interface Open {
  number: number;
  changes: number;
}
const embedded = {};
const open = new WeakMap<object, Open>();

/** @returns what to do after the statement */
function step(connection: object, statement: string): () => void {
  const text = statement.trimStart().toLowerCase();
  if (/^(begin|start transaction)/.test(text)) open.set(connection, { number: 0, changes: 0 });
  const transaction = open.get(connection);
  if (transaction === undefined || !isArmed()) return () => {};
  if (/^(insert|update|delete)/.test(text)) {
    if (transaction.changes === 0) transaction.number = ++transactions;
    transaction.changes += 1;
    return () => killHere(transaction, transaction.changes);
  }
  if (!/^(commit|rollback)/.test(text)) return () => {};
  open.delete(connection);
  if (text.startsWith('commit')) killHere(transaction, 'before its commit');
  return () => killHere(transaction, 'after its commit');
}

function killHere({ number }: Open, at: KillAt['at']): void {
  if (killAt?.transaction === number && killAt.at === at) process.kill(process.pid, 'SIGKILL');
}

function isArmed(): boolean {
  try {
    killAt ??= JSON.parse(readFileSync(path, 'utf8')) as KillAt;
  } catch {
    // Not yet.
  }
  return killAt !== null;
}

for (const method of ['all', 'run'] as const) {
  // oxlint-disable-next-line typescript/unbound-method -- it is called with its statement below
  const plain = StatementSync.prototype[method] as (...values: unknown[]) => unknown;
  StatementSync.prototype[method] = function counted(this: StatementSync, ...values: unknown[]) {
    const after = step(embedded, this.sourceSQL);
    const result = plain.apply(this, values);
    after();
    return result;
  } as never;
}

// oxlint-disable-next-line typescript/unbound-method -- it is called with its client below
const query = pg.Client.prototype.query as (...values: unknown[]) => unknown;
pg.Client.prototype.query = function counted(this: pg.Client, ...values: unknown[]) {
  const [first] = values as [string | { text?: string }];
  const after = step(this, typeof first === 'string' ? first : (first.text ?? ''));
  const result = query.apply(this, values);
  return result instanceof Promise ? result.then((value: unknown) => (after(), value)) : result;
} as never;
