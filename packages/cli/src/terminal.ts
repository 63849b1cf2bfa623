import { readFile } from 'node:fs/promises';
import process from 'node:process';
import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { text } from 'node:stream/consumers';

import { UsageError } from './exitCodes.ts';

/**
 * Asks a question on the terminal. What is typed is not shown when `hidden`.
 * @throws {UsageError} saying `otherwise` where nobody can be asked
 */
export async function ask(
  question: string,
  otherwise: string,
  options: { readonly hidden?: boolean } = {},
): Promise<string> {
  if (!process.stdin.isTTY) throw new UsageError(otherwise);
  let muted = false;
  const output = new Writable({
    write(chunk, _encoding, done) {
      if (!muted) process.stderr.write(chunk as Buffer);
      done();
    },
  });
  const lines = createInterface({ input: process.stdin, output, terminal: true });
  try {
    const answer = lines.question(question);
    muted = options.hidden === true;
    return (await answer).trim();
  } finally {
    lines.close();
    if (muted) process.stderr.write('\n');
  }
}

/**
 * Asks for a yes before something that cannot be taken back.
 * @returns false for anything else than yes
 * @throws {UsageError} where nobody can be asked
 */
export async function confirm(question: string): Promise<boolean> {
  const answer = await ask(
    `${question} [y/N] `,
    `${question} Nobody can be asked here: give --force to say yes.`,
  );
  return /^y(es)?$/i.test(answer);
}

export interface SecretSources {
  /** For messages: `connection string`. */
  readonly what: string;
  /** Given by `flag`; `-` is standard input. */
  readonly file: string | undefined;
  readonly flag: string;
  readonly variable: string;
}

/**
 * A secret from a file, the environment, standard input or the terminal, in this order. Arguments of
 * a process can be read by every user of a machine, so there is no flag for it.
 * @throws {UsageError} if there is none
 */
export async function readSecret(sources: SecretSources): Promise<string> {
  const { what, flag, variable } = sources;
  const otherwise = `no ${what} was given: use ${flag} FILE, ${variable}, or standard input`;
  const given = await givenSecret(sources);
  const secret =
    given?.trim() ??
    (process.stdin.isTTY
      ? await ask(`${what.charAt(0).toUpperCase()}${what.slice(1)}: `, otherwise, { hidden: true })
      : (await text(process.stdin)).trim());
  if (secret === '') throw new UsageError(otherwise);
  return secret;
}

async function givenSecret({ file, flag, variable }: SecretSources): Promise<string | undefined> {
  if (file === undefined) return process.env[variable];
  if (file === '-') return await text(process.stdin);
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UsageError(`${flag}: ${file} cannot be read (${code})`);
  }
}
