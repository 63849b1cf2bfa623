import { expect, test } from 'vitest';

import { organizationLinkState } from '../../src/domain/linkState.ts';

const NOW = new Date('2026-08-10T12:00:00Z');
const HOST = { heartbeatAt: '2026-08-10T11:59:30Z', hasReported: true, isUnlinked: false };
const SILENT = { ...HOST, heartbeatAt: '2026-08-10T11:58:00Z' };
const UNLINKED = { ...HOST, isUnlinked: true };

test('a link looks as its hosts that are not unlinked do', () => {
  const of = (...hosts: (typeof HOST)[]) => organizationLinkState('LINKED', hosts, NOW);
  expect(of(HOST)).toBe('LINKED');
  expect(of({ ...HOST, hasReported: false })).toBe('NOT_SYNCED');
  expect(of(SILENT)).toBe('STALE');
  expect(of(UNLINKED)).toBe('NOT_SYNCED');
  expect(of({ ...SILENT, isUnlinked: true })).toBe('NOT_SYNCED');
  expect(of(UNLINKED, HOST)).toBe('LINKED');
  expect(of(UNLINKED, SILENT)).toBe('STALE');
  expect(organizationLinkState('REMOVING', [UNLINKED], NOW)).toBe('REMOVING');
});
