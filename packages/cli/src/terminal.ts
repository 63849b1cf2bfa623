import { readFile } from 'node:fs/promises';
import process from 'node:process';
import { createInterface } from 'node:readline/promises';
import { type Readable, Writable } from 'node:stream';
import { text } from 'node:stream/consumers';

import { InterruptedError, UsageError } from './exitCodes.ts';

/**
 * Asks a question on the terminal. What is typed is not shown when `hidden`. Ctrl-D answers nothing.
 * @throws {InterruptedError} after Ctrl-C
 * @throws {UsageError} saying `otherwise` where nobody can be asked
 */
export async function ask(
  question: string,
  otherwise: string,
  options: { readonly hidden?: boolean } = {},
  input: Readable & { readonly isTTY?: boolean } = process.stdin,
): Promise<string> {
  if (input.isTTY !== true) throw new UsageError(otherwise);
  let muted = false;
  const output = new Writable({
    write(chunk, _encoding, done) {
      if (!muted) process.stderr.write(chunk as Buffer);
      done();
    },
  });
  const lines = createInterface({ input, output, terminal: true });
  const interruption = new AbortController();
  lines.on('SIGINT', () => interruption.abort());
  try {
    const answer = lines.question(question, { signal: interruption.signal });
    muted = options.hidden === true;
    const text = (await answer).trim();
    if (muted) process.stderr.write('\n');
    return text;
  } catch (error) {
    process.stderr.write('\n');
    if (interruption.signal.aborted) throw new InterruptedError('interrupted');
    // Ctrl-D: the end of what is typed, with nothing before it.
    if ((error as Error).name === 'AbortError') return '';
    throw error;
  } finally {
    lines.close();
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
  /** null where no flag names a file. */
  readonly flag: string | null;
  /** null where the environment is not looked at. */
  readonly variable: string | null;
}

/**
 * A secret from a file, the environment, standard input or the terminal, in this order. Arguments of
 * a process can be read by every user of a machine, so there is no flag for it.
 * @throws {UsageError} if there is none
 */
export async function readSecret(sources: SecretSources): Promise<string> {
  const { what, flag, variable } = sources;
  const places = [
    ...(flag === null ? [] : [`${flag} FILE`]),
    ...(variable === null ? [] : [variable]),
    'standard input',
  ];
  const otherwise = `no ${what} was given: use ${places.join(' or ')}`;
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
  if (file === undefined) return variable === null ? undefined : process.env[variable];
  if (file === '-') return await text(process.stdin);
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UsageError(`${flag}: ${file} cannot be read (${code})`);
  }
}
