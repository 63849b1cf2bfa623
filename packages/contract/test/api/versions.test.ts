import { expect, test } from 'vitest';
import { acceptedVersion, headerDate, resolveVersion } from '../../src/api/versions.ts';

test.each([
  ['application/vnd.atlas.2024-05-30+json', '2024-05-30'],
  ['text/html, application/vnd.atlas.2023-01-01+json;q=0.9', '2023-01-01'],
  [
    'application/vnd.atlas.2023-01-01+json;q=0.5, application/vnd.atlas.2024-08-05+json; Q = 0.8',
    '2024-08-05',
  ],
  [
    'application/vnd.atlas.2023-01-01+json, application/vnd.atlas.2024-08-05+json;charset=utf-8',
    '2023-01-01',
  ],
  ['application/vnd.atlas.2023-01-01+json;q=0', null],
  ['application/vnd.atlas.2023-02-30+json', null],
  ['application/vnd.atlas.2023-1-1+json', null],
  ['application/json', null],
  ['*/*', null],
  [undefined, null],
])('Accept %s asks for version %s', (accept, version) => {
  expect(acceptedVersion(accept)).toBe(version);
});

test('a later date resolves to the newest version before it, an earlier one to none', () => {
  const versions = ['2023-01-01', '2024-05-30'];
  expect(resolveVersion('2024-05-29', versions)).toBe('2023-01-01');
  expect(resolveVersion('2026-01-01', versions)).toBe('2024-05-30');
  expect(resolveVersion('2022-12-31', versions)).toBeNull();
});

test('dates of headers do not pad the day', () => {
  expect(headerDate('2027-07-01')).toBe('Thu, 1 Jul 2027 00:00:00 GMT');
  expect(headerDate('2024-05-30')).toBe('Thu, 30 May 2024 00:00:00 GMT');
});
