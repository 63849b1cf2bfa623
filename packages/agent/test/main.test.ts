import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';

import { encodeLinkToken } from '@linkspan/contract/push/linkToken.ts';
import { NO_TLS_FILES } from '@linkspan/contract/tls/files.ts';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test } from 'vitest';

import { WriteBlockRecords } from '../src/journal/writeBlockRecords.ts';
import type { ConfiguredProject } from '../src/config/config.ts';
import { StateDirectory } from '../src/link/stateDirectory.ts';
import { runAgent } from '../src/main.ts';

let stateDir: string;

beforeEach(() => {
  stateDir = mkdtempSync(join(tmpdir(), 'linkspan-agent-'));
});
afterEach(() => rmSync(stateDir, { recursive: true }));

/** Runs an agent until the signal aborts; each line of its log is handed on. */
function run(
  linkToken: string | null,
  projects: ConfiguredProject[],
  onLine: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const destination = new Writable({
    write(chunk, _encoding, done) {
      onLine(String(chunk));
      done();
    },
  });
  return runAgent(
    {
      config: {
        options: { stateDir, logLevel: 'info', adminHost: '127.0.0.1' },
        hostname: 'host',
        projects,
        admin: null,
        tls: NO_TLS_FILES,
      },
      linkToken: async () => linkToken,
      agentVersion: '0.0.0',
      log: pino(destination),
      liftPeriodMs: 1,
    },
    signal,
  );
}

/** Those that keep a process running. */
const timers = (): number =>
  process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;

test('an agent that is stopped while it waits for its server ends in good order', async () => {
  const stop = new AbortController();
  const lines: string[] = [];
  // Nothing listens on port 1.
  const linkToken = encodeLinkToken({
    v: 1,
    endpoint: 'http://127.0.0.1:1',
    orgId: 'a'.repeat(24),
    publicKey: 'abcdefgh',
    privateKey: 'key',
  });
  const onLine = (line: string): void => {
    lines.push(line);
    stop.abort(new Error('stopped by SIGTERM'));
  };
  const before = timers();
  await run(linkToken, [], onLine, stop.signal);
  expect(timers(), 'what keeps the process from ending').toBeLessThanOrEqual(before);
  expect(lines.join('')).toContain('linking waits for the server');
  expect(lines.join('')).not.toContain(linkToken);
});

test('D23, I1: an agent whose link was refused goes on lifting its write block, and names what it could not lift', async () => {
  const endpoint = 'http://127.0.0.1:1';
  const directory = new StateDirectory(stateDir);
  const known = { hostId: 'h', hostSecret: 's', linkId: 'l', heartbeatSeconds: 1 };
  directory.endLink({ ...known, orgId: 'o', endpoint, tokenHash: 't' }, 'REFUSED');
  directory[Symbol.dispose]();
  const records = new WriteBlockRecords(stateDir);
  const [migrationId, projectId] = ['a'.repeat(24), 'b'.repeat(24)];
  const since = '2026-01-01T00:00:00.000Z';
  records.write({ migrationId, projectId, clusterName: 'home', state: 'HELD', since });
  const uri = 'mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=1';
  const deployments = [{ name: 'home', uri, allowWriteBlock: true }];
  const projects = [{ id: projectId, name: 'Tests', deployments }];
  const stop = new AbortController();
  let times = 0;
  const onLine = (line: string): void => {
    if (!line.includes('is not lifted yet')) return;
    times += 1;
    if (times === 8) stop.abort(new Error('stopped by SIGTERM'));
  };
  const ended = run(null, projects, onLine, stop.signal);
  await expect(ended).rejects.toThrow(
    /link of this host .*\. The writes of home may still be blocked: run linkspan agent unblock$/,
  );
  expect(times).toBeGreaterThanOrEqual(8);
  expect(records.list()).toHaveLength(1);
});
