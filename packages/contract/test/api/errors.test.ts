import { expect, test } from 'vitest';
import { API_ERRORS, describeErrors, type ErrorEntry, formatDetail } from '../../src/api/errors.ts';

test('the key of each error of the catalogue equals its code', () => {
  for (const [key, entry] of Object.entries<ErrorEntry>(API_ERRORS)) expect(entry.code).toBe(key);
});

test('each error has a status of a failure and a text', () => {
  for (const entry of Object.values<ErrorEntry>(API_ERRORS)) {
    expect(entry.status).toBeGreaterThanOrEqual(400);
    expect(entry.detail).not.toBe('');
  }
});

test('parameters fill the text in order', () => {
  expect(formatDetail(API_ERRORS.CLUSTER_NOT_FOUND.detail, ['a$&', 'b'])).toBe(
    'No cluster named a$& exists in group b.',
  );
});

test('the catalogue prints as one table with a row for each error', () => {
  expect(describeErrors().split('\n')).toHaveLength(Object.keys(API_ERRORS).length + 2);
});
