import { mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { freePort } from '@linkspan/testkit/ports.ts';
import {
  runLinkspan,
  startAgent,
  startServer,
  type LinkspanProcess,
} from '@linkspan/testkit/processes.ts';
import { afterAll, expect, test, vi } from 'vitest';

vi.setConfig({ testTimeout: 300_000 });

/** Each look starts a process. */
const patiently = { timeout: 90_000 };

const directory = mkdtempSync(join(tmpdir(), 'linkspan-cli-restore-'));
const dataDir = join(directory, 'data');
const backup = join(directory, 'backup.db');
afterAll(() => rmSync(directory, { recursive: true }));

/** A source that is not there: the agent is linked all the same. */
const AGENT = `hostname: host1.example.com
stateDir: state
projects:
  - id: '0123456789abcdef01234567'
    name: Shop
    deployments:
      - name: orders
        uri: mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=200
`;

test('C8: a server is backed up while it runs and restored; its agent waits for the owner, and goes on', async () => {
  const port = await freePort();
  const made = await runLinkspan(['init', 'Acme', '--data-dir', dataDir, '-o', 'json']);
  const { organization, apiKey } = JSON.parse(made.stdout) as {
    organization: { id: string };
    apiKey: { publicKey: string; privateKey: string };
  };
  const env = {
    XDG_CONFIG_HOME: directory,
    LINKSPAN_BASE_URL: `http://127.0.0.1:${port}`,
    LINKSPAN_PUBLIC_KEY: apiKey.publicKey,
    LINKSPAN_PRIVATE_KEY: apiKey.privateKey,
    LINKSPAN_ORG_ID: organization.id,
  };
  const linkspan = async (line: string): Promise<string> => {
    const { code, stdout, stderr } = await runLinkspan(line.split(' '), { env });
    expect({ line, code, stderr }).toEqual({ line, code: 0, stderr: '' });
    return stdout;
  };
  const state = async (): Promise<unknown> =>
    (JSON.parse(await linkspan('lm link describe -o json')) as { state: unknown }).state;

  await using server: LinkspanProcess = await startServer({
    args: ['--data-dir', dataDir, '--port', `${port}`],
    directory,
    keep: true,
  });
  const token = join(directory, 'token');
  await linkspan(`lm link create --linkTokenFile ${token}`);
  writeFileSync(join(directory, 'agent.yaml'), AGENT);
  await using agent = await startAgent({
    args: ['--config', join(directory, 'agent.yaml'), '--link-token-file', token],
    directory,
    keep: true,
  });
  await expect.poll(state, patiently).toBe('LINKED');
  expect(await linkspan(`store backup --data-dir ${dataDir} --to ${backup}`)).toContain(
    `Backed up to ${backup}, by the server that runs.`,
  );
  await server.kill();
  // All that a killed server leaves of it, its log too.
  const files = readdirSync(dataDir).filter((name) => name.startsWith('linkspan.db'));
  for (const name of files) renameSync(join(dataDir, name), join(directory, name));
  expect(await linkspan(`store restore --data-dir ${dataDir} --from ${backup}`)).toContain(
    'Links that are suspended until an owner confirms them: 1.',
  );
  await server.restart();
  expect(await state()).toBe('SUSPENDED');
  await expect
    .poll(() => agent.log(), patiently)
    .toContain('an organization owner has to confirm the link first');
  expect(await linkspan('lm link confirm --force')).toMatch(/^Link confirmed\. State: /);
  await expect.poll(state, patiently).toBe('LINKED');
});
