import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { Socket } from 'node:net';

export interface GuardedOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** The user and group that the child runs as; this process has to be root. */
  readonly user?: { readonly uid: number; readonly gid: number };
  /** Standard output and standard error are appended to this file. */
  readonly logFile: string;
  /** Removed when this process dies without having stopped the child. */
  readonly removeOnLoss?: string;
}

/** A child process that does not outlive the process that started it, however that one ends. */
export interface Guarded {
  readonly pid: number;
  /** Settles when the child has ended: its exit code, or null after a signal. */
  readonly exited: Promise<number | null>;
  /** True while the child runs. */
  readonly running: boolean;
  /** SIGKILL to the child's whole process group; settles when it is gone. */
  kill(): Promise<void>;
  /** SIGTERM, then SIGKILL after `graceMs` milliseconds; settles when it is gone. */
  terminate(graceMs: number): Promise<void>;
  /** SIGSTOP to the whole group: it does nothing more, and keeps its connections. */
  suspend(): void;
  /** SIGCONT. */
  resume(): void;
  /** The last `bytes` bytes of the log file. */
  logTail(bytes?: number): Promise<string>;
}

/**
 * The guard waits on a pipe that only the parent holds open: its end of file means that the parent
 * is gone, by whatever way, so no exit handler is needed and SIGKILL of the parent is covered too.
 */
const GUARD_SCRIPT = 'read -r _; kill -9 "-$1" 2>/dev/null; [ -z "$2" ] || rm -rf -- "$2"';

/**
 * Starts a child in a process group of its own, with a guard beside it.
 * @throws {Error} when the command cannot be started
 */
export async function spawnGuarded(options: GuardedOptions): Promise<Guarded> {
  const log = openSync(options.logFile, 'a');
  let child: ChildProcess;
  try {
    child = spawn(options.command, options.args, {
      stdio: ['ignore', log, log],
      detached: true,
      ...(options.env === undefined ? {} : { env: options.env }),
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...options.user,
    });
  } finally {
    closeSync(log);
  }
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  await once(child, 'spawn');
  const pid = child.pid;
  if (pid === undefined) throw new Error(`${options.command} did not start`);
  child.unref();

  const guard = spawn(
    'sh',
    ['-c', GUARD_SCRIPT, 'guard', String(pid), options.removeOnLoss ?? ''],
    { stdio: ['pipe', 'ignore', 'ignore'], detached: true },
  );
  guard.unref();
  if (guard.stdin instanceof Socket) guard.stdin.unref();
  let running = true;
  const ended = exited.then((code) => {
    running = false;
    guard.kill('SIGKILL');
    guard.stdin?.destroy();
    return code;
  });

  const signal = (name: NodeJS.Signals): void => {
    if (!running) return;
    try {
      process.kill(-pid, name);
    } catch (error) {
      // The group can be gone a moment before its exit is reported.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  };

  return {
    pid,
    exited: ended,
    get running() {
      return running;
    },
    async kill() {
      child.ref();
      signal('SIGKILL');
      await ended;
    },
    async terminate(graceMs) {
      child.ref();
      signal('SIGTERM');
      const timer = setTimeout(() => signal('SIGKILL'), graceMs);
      await ended;
      clearTimeout(timer);
    },
    suspend: () => signal('SIGSTOP'),
    resume: () => signal('SIGCONT'),
    async logTail(bytes = 4000) {
      const file = await open(options.logFile);
      try {
        const { size } = await file.stat();
        const start = Math.max(0, size - bytes);
        const { buffer, bytesRead } = await file.read(Buffer.alloc(size - start), 0, null, start);
        return buffer.subarray(0, bytesRead).toString('utf8');
      } finally {
        await file.close();
      }
    },
  };
}
