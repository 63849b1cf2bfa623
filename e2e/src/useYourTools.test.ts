import { execFile, spawnSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { startDestinationSide } from '@linkspan/testkit/destinationSide.ts';
import { MIGRATION_HOST, SOURCE_PROJECT } from '@linkspan/testkit/migrationCalls.ts';
import { expect, it } from 'vitest';

import { ADMIN_KEY, SOURCE_ORG, startUnlinkedAgent } from './sourceSideAgent.ts';

const HAS_CURL = spawnSync('curl', ['--version']).status === 0;
const run = promisify(execFile);

/** The commands of the README's section, in its order, as they are written. */
async function commandsOfReadme(): Promise<string[]> {
  const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8');
  const section = /\n## Use the tools you have\n(.*?)\n## /s.exec(readme)?.[1] ?? '';
  const blocks = [...section.matchAll(/```sh\n(.*?)```/gs)].map(([, block = '']) => block.trim());
  return blocks.flatMap((block) => block.split('\n\n'));
}

it.skipIf(!HAS_CURL)("the README's calls work as they are written (needs curl)", async () => {
  await using side = await startDestinationSide();
  await using agent = await startUnlinkedAgent(side);
  await writeFile(join(side.directory, 'link-token'), side.linkToken);
  const { adminUrl } = agent.ready as { readonly adminUrl: string };
  const variables: Record<string, string> = {
    ORG: side.orgId,
    PUBLIC_KEY: side.credentials.publicKey,
    PRIVATE_KEY: side.credentials.privateKey,
    SOURCE_ORG,
    AGENT_PUBLIC_KEY: ADMIN_KEY.publicKey,
    AGENT_PRIVATE_KEY: ADMIN_KEY.privateKey,
  };
  const [withKey, makeAccount, askForToken, remove, linkSource, ...more] = await commandsOfReadme();
  expect(more).toEqual([]);
  const say = async (command = '', then = ''): Promise<string> => {
    const there = command
      .replaceAll('http://127.0.0.1:8080', side.baseUrl)
      .replaceAll('http://127.0.0.1:27999', adminUrl);
    const { PATH = '' } = process.env;
    const { stdout } = await run('sh', ['-euc', there + then], {
      cwd: side.directory,
      env: { PATH, ...variables },
    });
    return stdout;
  };

  expect(await say(linkSource)).toBe('{"status":"SYNCED"}');
  await expect
    .poll(async () => JSON.parse(await say(withKey)) as unknown, { timeout: 30_000 })
    .toMatchObject([{ projectId: SOURCE_PROJECT, migrationHosts: [MIGRATION_HOST] }]);

  const account = JSON.parse(await say(makeAccount)) as {
    readonly clientId: string;
    readonly secrets: readonly [{ readonly secret: string }];
  };
  variables['CLIENT_ID'] = account.clientId;
  variables['CLIENT_SECRET'] = account.secrets[0].secret;
  variables['ACCESS_TOKEN'] = await say(askForToken, '\nprintf %s "$ACCESS_TOKEN"');

  expect(await say(remove, ' --write-out "%{http_code}"')).toBe('204');
  expect(await say(remove)).toBe(
    '{"detail":"Could not find the requested external organization link.","error":404,"errorCode":"UNEXPECTED_ERROR","parameters":null,"reason":"Not Found"}',
  );
});
