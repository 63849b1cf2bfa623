import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

import { expect, test } from 'vitest';

const LAUNCHER = fileURLToPath(new URL('../bin/linkspan', import.meta.url));

test.each(['SIGINT', 'SIGTERM'] as const)(
  '%s at a command of a service account leaves no access token behind',
  async (signal) => {
    const seen: string[] = [];
    const watching = Promise.withResolvers<void>();
    const server = createServer((request, response) => {
      void text(request).then((body) => {
        seen.push(`${request.url} ${body}`);
        if (request.url === '/api/oauth/token') {
          response
            .writeHead(200, { 'content-type': 'application/json' })
            .end('{"access_token":"t1","expires_in":3600}');
        } else if (request.url === '/api/oauth/revoke') {
          response.end();
        } else {
          watching.resolve();
        }
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const id = 'a'.repeat(24);
    const flags = ['--projectId', id, '--liveMigrationId', id];
    const child = spawn(LAUNCHER, ['liveMigrations', 'watch', ...flags], {
      env: {
        PATH: process.env['PATH'],
        LINKSPAN_BASE_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
        LINKSPAN_CLIENT_ID: 'mdb_sa_id_1',
        LINKSPAN_CLIENT_SECRET: 'mdb_sa_sk_1',
      },
    });
    try {
      const ended = once(child, 'exit');
      await watching.promise;
      child.kill(signal);
      expect(await ended).toEqual([null, signal]);
      expect(seen.at(-1)).toBe('/api/oauth/revoke token=t1');
    } finally {
      child.kill('SIGKILL');
      server.closeAllConnections();
      server.close();
    }
  },
);
