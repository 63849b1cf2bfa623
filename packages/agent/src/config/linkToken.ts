import { readFile } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';

import { ConfigurationError } from '@linkspan/contract/options/declare.ts';

import { LINK_TOKEN_VARIABLE } from './options.ts';

/** Reads the link-token when one is needed: a host that is linked needs none, nor the file. */
export type LinkTokenSource = () => Promise<string | null>;

/**
 * Where the link-token comes from: the file (`-` is standard input), else the environment, from which
 * it is taken out at once, since child processes would inherit it (rule C5: no argument carries it).
 * The source gives null where there is none, and throws a ConfigurationError where the file cannot
 * be read.
 */
export function linkTokenSource(
  file: string | undefined,
  environment: Record<string, string | undefined>,
  standardInput: Readable,
): LinkTokenSource {
  const fromEnvironment = environment[LINK_TOKEN_VARIABLE];
  delete environment[LINK_TOKEN_VARIABLE];
  return async () => {
    const given = file === undefined ? fromEnvironment : await readFrom(file, standardInput);
    const token = given?.trim() ?? '';
    return token === '' ? null : token;
  };
}

async function readFrom(file: string, standardInput: Readable): Promise<string> {
  if (file === '-') return await text(standardInput);
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new ConfigurationError([`--link-token-file: ${file} cannot be read (${code})`]);
  }
}
