import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { NO_TLS_FILES } from '@linkspan/contract/tls/files.ts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { StateDirectory } from '../../src/link/stateDirectory.ts';
import { askOutcome } from '../../src/work/outcome.ts';

const OF = {
  migrationId: 'a'.repeat(24),
  projectId: 'b'.repeat(24),
  clusterName: 'home',
  since: '2026-01-01T00:00:00.000Z',
} as const;
const PATIENT = new AbortController().signal;

let path: string;
let directory: StateDirectory;

beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), 'linkspan-outcome-'));
  directory = new StateDirectory(path);
});
afterEach(() => {
  directory[Symbol.dispose]();
  rmSync(path, { recursive: true });
});

const linkWith = (port: number) => ({
  hostId: 'h',
  hostSecret: 's',
  endpoint: `http://127.0.0.1:${port}`,
  orgId: 'o',
  tokenHash: 't',
  linkId: 'l',
  heartbeatSeconds: 1,
});

describe('what became of the migration of a write block', () => {
  it('Hazard 15: is asked with a fence where the end may have been told, and only there', async () => {
    const asked: [string | undefined, unknown][] = [];
    const server = createServer((request, response) => {
      void text(request).then((body) => {
        asked.push([request.url, JSON.parse(body)]);
        response.end(JSON.stringify({ status: 'WORKING', elsewhere: true }));
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    directory.writeLink(linkWith((server.address() as AddressInfo).port));
    for (const state of ['HELD', 'COMPLETING'] as const) {
      const record = { ...OF, state };
      expect(await askOutcome(directory, NO_TLS_FILES, record, PATIENT)).toBe('ELSEWHERE');
    }
    const url = expect.stringContaining(`/migrations/${OF.migrationId}/status`);
    expect(asked).toEqual([
      [url, {}],
      [url, { fence: true }],
    ]);
    server.close();
    await once(server, 'close');
  });

  it('D23: is not known while the server is away, and not asked for without a link', async () => {
    const record = { ...OF, state: 'HELD' } as const;
    directory.writeLink(linkWith(1));
    expect(await askOutcome(directory, NO_TLS_FILES, record, PATIENT)).toBe('UNKNOWN');
    directory.endLink(linkWith(1), 'REFUSED');
    expect(await askOutcome(directory, NO_TLS_FILES, record, PATIENT)).toBe('NOT_COMPLETE');
  });
});
