import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';

import { encodeLinkToken } from '@linkspan/contract/push/linkToken.ts';
import { NO_TLS_FILES } from '@linkspan/contract/tls/files.ts';
import { pino } from 'pino';
import { expect, test } from 'vitest';

import { runAgent } from '../src/main.ts';

test('an agent that is stopped while it waits for its server ends in good order', async () => {
  const stateDir = mkdtempSync(join(tmpdir(), 'linkspan-agent-'));
  const stop = new AbortController();
  const lines: string[] = [];
  const destination = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk));
      stop.abort(new Error('stopped by SIGTERM'));
      done();
    },
  });
  // Nothing listens on port 1.
  const linkToken = encodeLinkToken({
    v: 1,
    endpoint: 'http://127.0.0.1:1',
    orgId: 'a'.repeat(24),
    publicKey: 'abcdefgh',
    privateKey: 'key',
  });
  try {
    await runAgent(
      {
        config: {
          options: { stateDir, logLevel: 'info', adminHost: '127.0.0.1' },
          hostname: 'host',
          projects: [],
          admin: null,
          tls: NO_TLS_FILES,
        },
        linkToken: async () => linkToken,
        agentVersion: '0.0.0',
        log: pino(destination),
      },
      stop.signal,
    );
    expect(lines.join('')).toContain('linking waits for the server');
    expect(lines.join('')).not.toContain(linkToken);
  } finally {
    rmSync(stateDir, { recursive: true });
  }
});
