import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text as readAll } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { spawnGuarded, type Guarded } from './guarded.ts';

/** What `npx linkspan` runs. It becomes the process: its pid is that of the command. */
const LAUNCHER = fileURLToPath(new URL('../../cli/bin/linkspan', import.meta.url));
const START_TIMEOUT_MS = 60_000;
const STOP_GRACE_MS = 10_000;

/** USER_HZ: Linux reports CPU time to programs in hundredths of a second everywhere. */
const TICKS_PER_SECOND = 100;

export interface ProcessOptions {
  /** Arguments after the command, without `--ready-file`. */
  readonly args: readonly string[];
  /** Added to an environment that holds no LINKSPAN_ variable of the caller's. */
  readonly env?: Readonly<Record<string, string>>;
  /** Where log and ready file go, and where the process works; a temporary one if absent. */
  readonly directory?: string;
  /** Leaves the directory in place at stop. */
  readonly keep?: boolean;
}

/** A `linkspan` command that runs as a process of its own, as a user starts it. */
export interface LinkspanProcess extends AsyncDisposable {
  readonly pid: number;
  readonly directory: string;
  readonly logFile: string;
  /** What the process wrote to its ready file, as JSON. */
  readonly ready: unknown;
  /** Its exit code, or null after a signal; settles when the process that runs now has ended. */
  readonly exited: Promise<number | null>;
  log(): Promise<string>;
  /** SIGKILL; settles when it is gone. */
  kill(): Promise<void>;
  /** The same command again (killed first if it runs); waits until it is ready. */
  restart(): Promise<void>;
  /** SIGSTOP: it does nothing more, and keeps its connections. */
  suspend(): void;
  /** SIGCONT. */
  resume(): void;
  /** SIGTERM, then SIGKILL after ten seconds; removes the directory unless kept. */
  stop(): Promise<void>;
  /** The most memory that was resident at once since its start, in bytes. Linux. */
  rssBytes(): Promise<number>;
  /** Processor time used since its start, user and system, in seconds. Linux. */
  cpuSeconds(): Promise<number>;
}

/** Starts `linkspan server` and waits for its ready file. */
export function startServer(options: ProcessOptions): Promise<LinkspanProcess> {
  return startLinkspan('server', options);
}

/** Starts `linkspan agent` and waits for its ready file. */
export function startAgent(options: ProcessOptions): Promise<LinkspanProcess> {
  return startLinkspan('agent', options);
}

/** @throws {Error} with the end of the log when the process ends before it is ready */
async function startLinkspan(
  command: 'server' | 'agent',
  options: ProcessOptions,
): Promise<LinkspanProcess> {
  const directory =
    options.directory ?? (await mkdtemp(join(tmpdir(), `linkspan-${command}-test-`)));
  const isOwn = options.directory === undefined && options.keep !== true;
  const readyFile = join(directory, `${command}.ready`);
  const logFile = join(directory, `${command}.log`);
  let ready: unknown = null;

  const launch = async (): Promise<Guarded> => {
    await rm(readyFile, { force: true });
    const started = await spawnGuarded({
      command: LAUNCHER,
      args: [command, ...options.args, '--ready-file', readyFile],
      env: { ...cleanEnvironment(), ...options.env },
      cwd: directory,
      logFile,
      ...(isOwn ? { removeOnLoss: directory } : {}),
    });
    try {
      ready = JSON.parse(await readyText(started, readyFile));
    } catch (error) {
      await started.kill();
      const reason = (error as Error).message;
      const tail = await started.logTail();
      if (isOwn) await rm(directory, { recursive: true, force: true });
      throw new Error(`linkspan ${command} ${reason}. Its log ends:\n${tail}`);
    }
    return started;
  };

  let child = await launch();
  const stop = async (): Promise<void> => {
    await child.terminate(STOP_GRACE_MS);
    if (options.keep !== true) await rm(directory, { recursive: true, force: true });
  };
  return {
    get pid() {
      return child.pid;
    },
    directory,
    logFile,
    get ready() {
      return ready;
    },
    get exited() {
      return child.exited;
    },
    log: () => readFile(logFile, 'utf8'),
    kill: () => child.kill(),
    async restart() {
      await child.kill();
      child = await launch();
    },
    suspend: () => child.suspend(),
    resume: () => child.resume(),
    stop,
    async rssBytes() {
      const status = await readFile(`/proc/${child.pid}/status`, 'utf8');
      return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
    },
    async cpuSeconds() {
      const stat = await readFile(`/proc/${child.pid}/stat`, 'utf8');
      // The second field is the program's name in brackets and may hold spaces; utime and stime are
      // the fields 14 and 15 (proc_pid_stat(5)).
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
    },
    [Symbol.asyncDispose]: stop,
  };
}

export interface CommandOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** What the command reads from standard input, which is no terminal. */
  readonly input?: string;
  readonly cwd?: string;
}

export interface CommandResult {
  /** null after a signal. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a `linkspan` command to its end, as a process of its own. */
export async function runLinkspan(
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const child = spawn(LAUNCHER, [...args], {
    env: { ...cleanEnvironment(), ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  child.stdin.end(options.input ?? '');
  const [stdout, stderr, [code]] = await Promise.all([
    readAll(child.stdout),
    readAll(child.stderr),
    once(child, 'exit') as Promise<[number | null]>,
  ]);
  return { code, stdout, stderr };
}

async function readyText(child: Guarded, readyFile: string): Promise<string> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  for (;;) {
    const text = existsSync(readyFile) ? await readFile(readyFile, 'utf8') : '';
    if (text !== '') return text;
    if (!child.running) throw new Error(`ended with exit code ${await child.exited}`);
    if (Date.now() > deadline) throw new Error(`was not ready in ${START_TIMEOUT_MS / 1000} s`);
    await delay(20);
  }
}

function cleanEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith('LINKSPAN_')),
  );
}
