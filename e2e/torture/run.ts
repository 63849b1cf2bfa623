import { existsSync } from 'node:fs';
import { copyFile, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeTestClock } from '@linkspan/testkit/clock.ts';
import { startFurtherHost, startLinkedPair } from '@linkspan/testkit/linkedPair.ts';
import type { LinkspanProcess } from '@linkspan/testkit/processes.ts';
import { mountSmallDisk } from '@linkspan/testkit/smallDisk.ts';
import type { Target } from './faults/fault.ts';
import { Figures } from './figures.ts';
import { History } from './history.ts';
import { Random } from './random.ts';
import { runRound } from './round.ts';

const DISK_MEGABYTES = 64;
const REMEMBERED = 12;
const FURTHER_HOST = 'further-host.example.net';
/** The least that an agent takes. */
const SHARED_RANGE_BYTES = 65_536;

export interface TortureOptions {
  /** One for each migration: what happens in it, and in which order, follows from it. */
  readonly seeds: readonly string[];
  /**
   * How long the source of each is written and faults strike; catching up and comparing come on top.
   */
  readonly seconds: number;
  /** Faults in that time, those in cutovers not counted. */
  readonly faults: number;
  /** Migration hosts of the link: of two, the second copies ranges for the first. */
  readonly hosts?: 1 | 2;
  /** Told what happens, a line each. */
  readonly say?: (line: string) => void;
  /** Where the logs go when it fails. */
  readonly logDirectory: string;
}

/** The torture has found a difference, or a migration that did not get on. */
export class TortureFailedError extends Error {
  override readonly name = 'TortureFailedError';
}

/**
 * Migrates a source that is written in every odd way, while every fault strikes, cuts over and
 * compares: one migration for each seed, in the same processes.
 * @returns what was done, equal on both sides
 * @throws {TortureFailedError} with the seed, the last faults and the differences; logs are kept
 */
export async function torture(options: TortureOptions): Promise<Figures> {
  const { seeds, seconds, faults, hosts = 1, say = () => undefined } = options;
  const figures = new Figures();
  const last: string[] = [];
  const started = performance.now();
  const tell = (text: string): void => {
    const line = `${((performance.now() - started) / 1000).toFixed(1)} s  ${text}`;
    last.push(line);
    if (last.length > REMEMBERED) last.shift();
    say(line);
  };
  await using resources = new AsyncDisposableStack();
  const clock = resources.use(await makeTestClock());
  const disk = await mountSmallDisk(DISK_MEGABYTES);
  if (disk !== null) resources.use(disk);
  const agentEnv = {
    ...clock.env,
    ...(hosts > 1 && { LINKSPAN_AGENT_COPY_RANGE_BYTES: String(SHARED_RANGE_BYTES) }),
  };
  const pair = resources.use(
    await startLinkedPair({
      proxied: true,
      agentEnv,
      serverEnv: clock.env,
      ...(disk === null ? {} : { agentStateDir: join(disk.directory, 'agent') }),
    }),
  );
  const { network } = pair;
  if (network === null) throw new Error('the torture needs proxies');
  const further =
    hosts > 1 ? resources.use(await startFurtherHost(pair, FURTHER_HOST, agentEnv)) : null;
  const target: Target = { pair, network, clock, disk, furtherAgent: further?.agent ?? null };
  const history = resources.use(new History(pair.source.uri));
  let current = '';
  try {
    for (const [number, seed] of seeds.entries()) {
      current = seed;
      tell(`migration ${number + 1} of ${seeds.length}, seed ${seed}`);
      await runRound({
        seed,
        random: new Random(seed),
        target,
        figures,
        seconds,
        faults,
        hasPredecessor: number > 0,
        say: tell,
      });
      if (figures.differences.length > 0) throw new Error('both sides differ');
    }
    if (further !== null) figures.sharedRanges = await countShared(further.agent);
  } catch (error) {
    const kept = await keepLogs(target, history, options.logDirectory);
    const what = [
      `The torture failed: ${(error as Error).message}`,
      `Again: npm run torture -- --only ${current} --minutes ${seconds / 60} --faults ${faults} --hosts ${hosts}`,
      `Logs: ${kept}`,
      'Last:',
      ...last.map((line) => `  ${line}`),
      figures.toString(),
    ].join('\n');
    throw new TortureFailedError(what, { cause: error });
  }
  return figures;
}

async function countShared(agent: LinkspanProcess): Promise<number> {
  return (await agent.log()).split('range copied for another host').length - 1;
}

async function keepLogs(
  { pair, furtherAgent }: Target,
  history: History,
  directory: string,
): Promise<string> {
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true });
  const logs = {
    agent: pair.agent.logFile,
    'further-agent': furtherAgent?.logFile ?? null,
    server: pair.server.logFile,
    source: pair.source.logFile,
    destination: pair.destination.logFile,
  };
  for (const [name, file] of Object.entries(logs)) {
    // One that could not be started again has left nothing.
    if (file !== null && existsSync(file)) await copyFile(file, join(directory, `${name}.log`));
  }
  await writeFile(join(directory, 'structure.log'), String(history));
  return directory;
}
