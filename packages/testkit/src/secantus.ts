import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Also stands in `requirements.txt`. */
const VERSION = '0.7.0b3';
const REQUIREMENTS = fileURLToPath(new URL('../requirements.txt', import.meta.url));
const PYTHONS = ['python3', 'python3.14', 'python3.13', 'python3.12', 'python3.11', 'python3.10'];

/** What a newcomer reads who has none of the three. */
export const NO_DATABASE =
  'There is no MongoDB to test with: put `mongod` on the PATH, or install Python 3.10 or newer ' +
  'with its venv module, or set LINKSPAN_TEST_MONGODB_SOURCE and LINKSPAN_TEST_MONGODB_DESTINATION.';

/**
 * Makes SecantusDB ready in a virtual environment under the user's cache directory, once for all
 * processes and checkouts of the machine.
 * @returns the path of the Python that runs `-m secantus`
 * @throws {Error} with {@link NO_DATABASE} where there is no usable Python
 */
export async function prepareSecantus(): Promise<string> {
  const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'linkspan');
  const environment = join(cache, `secantusdb-${VERSION}`);
  const python = join(environment, 'bin', 'python');
  const marker = join(environment, 'ready');
  if (existsSync(marker)) return python;

  await mkdir(cache, { recursive: true });
  using _lock = await lock(join(cache, 'secantusdb.lock'));
  if (existsSync(marker)) return python;

  const problems: string[] = [];
  for (const candidate of PYTHONS) {
    if (!(await isRecent(candidate))) continue;
    await rm(environment, { recursive: true, force: true });
    try {
      await run(candidate, ['-m', 'venv', environment]);
    } catch (error) {
      problems.push(`${candidate} -m venv: ${lastLine(error)}`);
      continue;
    }
    try {
      await run(
        python,
        ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', REQUIREMENTS],
        { maxBuffer: 16 * 1024 * 1024 },
      );
    } catch (error) {
      problems.push(`pip install with ${candidate}: ${lastLine(error)}`);
      continue;
    }
    await writeFile(marker, '');
    return python;
  }
  throw new Error([NO_DATABASE, ...problems].join('\n'));
}

async function isRecent(python: string): Promise<boolean> {
  try {
    await run(python, ['-c', 'import sys; sys.exit(sys.version_info < (3, 10))']);
    return true;
  } catch {
    return false;
  }
}

function lastLine(error: unknown): string {
  const { stderr, message } = error as { stderr?: string; message: string };
  const text = stderr === undefined || stderr.trim() === '' ? message : stderr;
  return text.trim().split('\n').at(-1) ?? '';
}

/** An exclusive lock between processes, which the operating system lifts when its holder dies. */
async function lock(path: string): Promise<Disposable> {
  const database = new DatabaseSync(path);
  for (;;) {
    try {
      database.exec('BEGIN EXCLUSIVE');
      return { [Symbol.dispose]: () => database.close() };
    } catch (error) {
      if (!String(error).includes('locked')) {
        database.close();
        throw error;
      }
      await delay(200);
    }
  }
}
