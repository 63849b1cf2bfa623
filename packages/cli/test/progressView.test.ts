import type { LiveMigrationDetail } from '@linkspan/contract/api/liveMigrations.ts';
import { expect, test } from 'vitest';

import { detailLines } from '../src/detailView.ts';
import { progressBar, progressLine } from '../src/progressView.ts';

const progress = {
  phase: 'TAILING',
  documentsCopied: 1_234_567,
  documentsTotal: 2_000_000,
  bytesCopied: 1024 ** 3,
  bytesTotal: 2 * 1024 ** 3,
  lagSeconds: 3,
  keysPending: 17,
  waitingFor: null,
};

const ROWS = {
  db: 'app',
  documentsCopied: 5,
  documentsTotal: 1000,
  bytesCopied: 2048,
  bytesTotal: 4096,
};

function migration(changes: object, report: object = {}): LiveMigrationDetail {
  const shown = {
    status: 'WORKING',
    state: 'WORKING',
    readyForCutover: false,
    lagTimeSeconds: 3,
    copiedData: null,
    expires: null,
    finished: null,
    namespaces: { include: [], exclude: [], rename: [] },
    throttle: { bytesPerSecond: null, documentsPerSecond: null },
    progress: { ...progress, ...report },
  };
  return { ...shown, ...changes } as unknown as LiveMigrationDetail;
}

test('a line says what there is to do before it counts', () => {
  expect(progressLine(migration({ readyForCutover: true }))).toBe(
    'WORKING  TAILING  ready for cutover  1,234,567/2,000,000 documents  1.0 GiB/2.0 GiB  lag 3 s  17 pending',
  );
  expect(progressLine(migration({ lagTimeSeconds: null }, { waitingFor: 'the source' }))).toMatch(
    /^WORKING {2}TAILING {2}waiting: the source {2}.* lag - /,
  );
  expect(progressLine(migration({ status: 'NEW', state: 'NEW', progress: null }))).toBe(
    'NEW  waiting for the migration host',
  );
});

test('a line ends with the pace, what is left and what holds it back, where that is known', () => {
  const rates = { bytesPerSecond: 3 * 1024 ** 2 };
  const copying = { phase: 'COPYING', rates, holdingBack: 'DESTINATION' };
  expect(progressLine(migration({}, { ...copying, etaSeconds: 7260 }))).toMatch(
    / pending {2}3\.0 MiB\/s {2}2 h 1 min left {2}held back by the destination$/,
  );
  expect(progressLine(migration({}, { ...copying, etaSeconds: null }))).toMatch(
    / pending {2}3\.0 MiB\/s {2}held back by the destination$/,
  );
  const paused = { rates: null, etaSeconds: null, holdingBack: null };
  expect(progressLine(migration({ state: 'PAUSED' }, paused))).toMatch(/^PAUSED {2}.* pending$/);
});

test('a line tells what was compared in the background, and what differed', () => {
  const verification = {
    begun: '2026-08-10T03:02:57Z',
    collectionsVerified: 3,
    collectionsTotal: 1200,
    documentsVerified: 45_678,
    differencesFound: 0,
    differencesRepaired: 0,
  };
  const holdingBack = 'SOURCE';
  expect(progressLine(migration({}, { holdingBack, verification }))).toMatch(
    / pending {2}held back by the source {2}verified 3\/1,200 collections {2}45,678 documents compared$/,
  );
  const differing = { ...verification, differencesFound: 3, differencesRepaired: 2 };
  expect(progressLine(migration({}, { verification: differing }))).toMatch(
    / {2}45,678 documents compared {2}3 differences, 2 repaired$/,
  );
  const notBegun = { ...verification, begun: null };
  expect(progressLine(migration({}, { verification: notBegun }))).toMatch(/ pending$/);
});

test('a description names the state, the unfinished collections and the warnings', () => {
  const collections = [
    { ...ROWS, coll: 'rows', state: 'COPYING' },
    { ...ROWS, coll: 'done', state: 'COPIED' },
  ];
  const detail = migration(
    {
      state: 'PAUSED',
      paused: '2026-08-10T03:02:57Z',
      cutover: { failure: null },
      failureReason: null,
      verified: null,
      warnings: ['the host is silent'],
    },
    { collections, collectionsTotal: 2, collectionsCopied: 1 },
  );
  expect(detailLines(detail)).toEqual([
    'State: PAUSED since 2026-08-10T03:02:57Z',
    expect.stringMatching(/^Progress: PAUSED {2}TAILING /),
    'Collections: 1 of 2 copied',
    '  app.rows  COPYING  5/1,000 documents  2.0 KiB/4.0 KiB',
    'Warning: the host is silent',
  ]);
});

test('I8: while its host is silent, a line shows the lag that the server knows, and says why', () => {
  expect(progressLine(migration({ lagTimeSeconds: 603 }))).toMatch(
    /waiting: the migration host, not heard of for 600 s .* lag 603 s /,
  );
});

test('a bar shows the share of the bytes and keeps within the terminal', () => {
  const half = progressBar(migration({}, { phase: 'COPYING' }), 80);
  expect(half).toMatch(/^█{12}░{12} {2}50% {2}WORKING {2}COPYING {2}1,234,567/);
  expect(half).toHaveLength(79);
  const ready = progressBar(migration({ readyForCutover: true }), 80);
  expect(ready).toMatch(/^█{24} 100% {2}WORKING {2}TAILING {2}ready for cutover/);
  for (const unknown of [0, undefined]) {
    expect(progressBar(migration({}), unknown)).toHaveLength(79);
  }
  expect(progressBar(migration({}, { bytesTotal: 0, phase: 'COPYING' }), 200)).toContain('  0%');
});
