import { closeSync, openSync, renameSync, rmSync, statSync, writeSync } from 'node:fs';

import type { LinkToken } from '@linkspan/contract/api/linkTokens.ts';

import { UsageError } from './exitCodes.ts';
import { print } from './output.ts';
import type { Session } from './session.ts';

/** Makes a link-token and prints it this once, or writes it to a file that only its owner reads. */
export async function handOver(
  session: Session,
  file: string | undefined,
  create: () => Promise<LinkToken>,
): Promise<void> {
  if (file === undefined) {
    const created = await create();
    print(session.output, created, () => `Link-token '${created.linkToken}' successfully created.`);
    return;
  }
  await writeSecret(file, async () => `${(await create()).linkToken}\n`);
  print(session.output, { linkTokenFile: file }, () => `Link-token written to ${file}.`);
}

/**
 * Writes a secret that is made once: the file is opened before, so that a secret that cannot be kept
 * is not made, and replaces one that others could read.
 */
async function writeSecret(path: string, make: () => Promise<string>): Promise<void> {
  const beside = `${path}.new`;
  let file: number;
  try {
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) {
      throw Object.assign(new Error('a directory is no file'), { code: 'EISDIR' });
    }
    rmSync(beside, { force: true });
    file = openSync(beside, 'wx', 0o600);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UsageError(`--linkTokenFile: ${path} cannot be written (${code})`);
  }
  try {
    writeSync(file, await make());
    renameSync(beside, path);
  } finally {
    closeSync(file);
    rmSync(beside, { force: true });
  }
}
