import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';

import { loadConfig } from '../../src/config/config.ts';
import { makeLogger } from '../../src/config/logger.ts';
import { startServer } from '../../src/main.ts';

test('clients that send nothing, or half a request, do not keep a server from stopping', async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'linkspan-closing-'));
  const config = loadConfig({ dataDir, port: '0' }, {});
  const server = await startServer({ config, log: makeLogger('silent'), closeGraceMs: 50 });
  const { port } = new URL(server.url);
  const open = await Promise.all(
    ['', 'GET / HTTP/1.1\r\nHost'].map(async (sent) => {
      const socket = connect(Number(port), '127.0.0.1');
      socket.on('error', () => undefined).resume();
      await once(socket, 'connect');
      socket.write(sent);
      return socket;
    }),
  );
  await server.close();
  await expect(fetch(server.url)).rejects.toThrow();
  for (const socket of open) socket.destroy();
  rmSync(dataDir, { recursive: true });
});
