import { DatabaseSync } from 'node:sqlite';
import { expect, it } from 'vitest';
import { slowCount } from '../src/journal/slowCount.ts';

it('I8: an empty table that took long to count is not shown as empty once it has a row', () => {
  using db = new DatabaseSync(':memory:');
  db.exec('CREATE TABLE t (n)');
  let milliseconds = 0;
  const count = slowCount(db, 't', () => (milliseconds += 500));
  expect(count()).toBe(0);
  db.exec('INSERT INTO t VALUES (1)');
  expect(count()).toBe(1);
});

it('a count that took long is not made again for a while, and none are none at once', () => {
  using db = new DatabaseSync(':memory:');
  db.exec('CREATE TABLE t (n)');
  let milliseconds = 0;
  let counting = 500;
  const count = slowCount(db, 't', () => (milliseconds += counting));
  const add = (): void => db.exec('INSERT INTO t VALUES (1)');
  add();
  expect(count()).toBe(1);
  add();
  expect(count(), 'as it was').toBe(1);
  db.exec('DELETE FROM t');
  expect(count()).toBe(0);
  add();
  add();
  milliseconds += 100_000;
  counting = 1;
  expect(count(), 'as it is').toBe(2);
  add();
  expect(count(), 'as it is again').toBe(3);
});
