import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, expect, test, vi } from 'vitest';

import { startServer } from '../src/processes.ts';

const directory = mkdtempSync(join(tmpdir(), 'linkspan-processes-'));
vi.stubEnv('TMPDIR', directory);
vi.setConfig({ testTimeout: 180_000 });
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(directory, { recursive: true });
});

test('a server runs, is measured, killed and started again, and leaves nothing', async () => {
  {
    await using server = await startServer({ args: ['--port', '0', '--data-dir', 'data'] });
    expect(server.ready).toMatchObject({ url: expect.stringMatching(/^http:\/\/127/) });
    expect(await server.rssBytes()).toBeGreaterThan(10_000_000);
    expect(await server.cpuSeconds()).toBeGreaterThan(0.05);
    const { pid } = server;
    await server.kill();
    expect(await server.exited).toBeNull();
    await server.restart();
    expect(server.pid).not.toBe(pid);
  }
  const wrong = startServer({ args: ['--port', 'none'] });
  await expect(wrong).rejects.toThrow(/ended with exit code 2.*\n.*--port: "none" is not/);
  const isOurs = (name: string) => name.startsWith('linkspan-');
  expect(readdirSync(directory).filter(isOurs)).toEqual([]);
});
