import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { runLinkspan } from '@linkspan/testkit/processes.ts';
import { afterAll, expect, test } from 'vitest';

const dataDir = mkdtempSync(join(tmpdir(), 'linkspan-cli-unlock-'));
afterAll(() => rmSync(dataDir, { recursive: true }));

test('an organization is unlocked straight in the store', async () => {
  const made = await runLinkspan(['init', 'Mine', '--data-dir', dataDir, '-o', 'json']);
  const { organization } = JSON.parse(made.stdout) as { organization: { id: string } };
  const [open, unknown] = await Promise.all([
    runLinkspan(['organizations', 'unlock', organization.id, '--data-dir', dataDir]),
    runLinkspan(['orgs', 'unlock', 'f'.repeat(24), '--data-dir', join(dataDir, 'other')]),
  ]);
  expect(open).toMatchObject({
    code: 0,
    stderr: '',
    stdout: "Organization 'Mine' did not demand access lists: nothing was changed.\n",
  });
  expect(unknown).toMatchObject({ code: 1, stdout: '' });
  expect(unknown.stderr).toContain(`there is no store in ${join(dataDir, 'other')}`);
});
