import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PRELOAD = new URL('clockPreload.ts', import.meta.url).href;

/** The wall clock of processes that are started with its environment. */
export interface TestClock extends AsyncDisposable {
  readonly env: Readonly<Record<string, string>>;
  /** Sets it so many milliseconds ahead of the machine's, or behind; seen within a tenth of a second. */
  jumpTo(offsetMs: number): void;
}

export async function makeTestClock(): Promise<TestClock> {
  const directory = await mkdtemp(join(tmpdir(), 'linkspan-clock-'));
  const file = join(directory, 'offset');
  const jumpTo = (offsetMs: number): void => writeFileSync(file, String(offsetMs));
  jumpTo(0);
  return {
    env: { NODE_OPTIONS: `--import=${PRELOAD}`, TEST_CLOCK_FILE: file },
    jumpTo,
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true }),
  };
}
