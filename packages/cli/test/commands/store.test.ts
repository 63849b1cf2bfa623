import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { runLinkspan } from '@linkspan/testkit/processes.ts';
import { afterAll, expect, test } from 'vitest';

const directory = mkdtempSync(join(tmpdir(), 'linkspan-cli-store-'));
const dataDir = join(directory, 'data');
afterAll(() => rmSync(directory, { recursive: true }));

test('the store tells what it holds, and is brought up to date', async () => {
  const missing = await runLinkspan(['store', 'status', '--data-dir', dataDir]);
  expect(missing).toMatchObject({ code: 1, stdout: '' });
  expect(missing.stderr).toContain(`there is no store in ${dataDir}`);
  const made = await runLinkspan(['store', 'migrate', '--data-dir', dataDir]);
  expect(made.stdout).toMatch(/^The tables had version 0 and have version \d+\.\n$/);
  const status = await runLinkspan(['store', 'status', '--data-dir', dataDir, '-o', 'json']);
  expect(JSON.parse(status.stdout)).toMatchObject({
    store: 'SQLite',
    rows: { organizations: 0 },
    durability: { settings: { synchronous: 'FULL', journal_mode: 'wal' }, faults: [] },
  });
});

test('C8: where no store is, none is taken for one that was restored, and none is made', async () => {
  const nowhere = join(directory, 'nowhere');
  const answer = await runLinkspan(['store', 'restored', '--data-dir', nowhere]);
  expect(answer).toMatchObject({ code: 1, stdout: '' });
  expect(answer.stderr).toContain(`there is no store in ${nowhere}`);
  expect(existsSync(nowhere)).toBe(false);
});

test('C5: a copy takes no password from the command line, and prints none', async () => {
  const url = 'postgres://linkspan:hidden@127.0.0.1:1/linkspan';
  const file = join(directory, 'url');
  writeFileSync(file, url);
  const [argument, fromFile] = await Promise.all(
    [url, file].map((to) => runLinkspan(['store', 'copy', '--from', dataDir, '--to', to])),
  );
  expect(argument).toMatchObject({ code: 2 });
  expect(argument?.stderr).toContain('--to: every user of this machine can read a password');
  expect(fromFile).toMatchObject({ code: 1 });
  expect(fromFile?.stderr).toContain('the store failed');
  expect(`${argument?.stderr}${fromFile?.stderr}`).not.toContain('hidden');
});
