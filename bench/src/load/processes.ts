import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { setPriority } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';

/** USER_HZ: Linux reports CPU time to programs in hundredths of a second everywhere. */
const TICKS_PER_SECOND = 100;

/** What is measured together: a program with all of its processes. */
export type Groups<Name extends string> = Readonly<Record<Name, () => readonly number[]>>;

/** Processor seconds since the start of each group, of the whole machine, and the moment. */
export interface CpuReading<Name extends string> {
  readonly at: number;
  readonly seconds: Readonly<Record<Name, number>>;
  /** Of all cores, in use by whatever process. */
  readonly machine: number;
}

/** Linux. Processes that have ended since count with what their parent knows of them. */
export function readCpu<Name extends string>(groups: Groups<Name>): CpuReading<Name> {
  const each = Object.entries(groups) as [Name, () => readonly number[]][];
  const seconds = Object.fromEntries(
    each.map(([name, pids]) => [name, pids().reduce((sum, pid) => sum + cpuSeconds(pid), 0)]),
  ) as Record<Name, number>;
  const [, ...fields] = (readFileSync('/proc/stat', 'utf8').split('\n')[0] ?? '').split(/\s+/);
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = fields.map(Number);
  const machine = (user + nice + system + irq + softirq) / TICKS_PER_SECOND;
  return { at: performance.now(), seconds, machine };
}

/** Cores that were kept busy on average between two readings: 1 is one core. */
export function coresBetween<Name extends string>(
  before: CpuReading<Name>,
  after: CpuReading<Name>,
): Readonly<Record<Name | 'machine', number>> {
  const seconds = (after.at - before.at) / 1000;
  const names = Object.keys(before.seconds) as Name[];
  const each = names.map((name) => [
    name,
    (after.seconds[name] - before.seconds[name]) / seconds,
  ]) as [Name, number][];
  return {
    ...(Object.fromEntries(each) as Record<Name, number>),
    machine: (after.machine - before.machine) / seconds,
  };
}

/** User, system, and the same of children that have ended (proc_pid_stat(5), fields 14 to 17). */
function cpuSeconds(pid: number): number {
  const fields = statFields(pid);
  if (fields === null) return 0;
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  return ticks / TICKS_PER_SECOND;
}

/** What is resident now, in bytes. */
export function residentBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
}

/** The process and those that it has started. */
export function withChildren(pid: number): number[] {
  return [pid, ...allPids().filter((other) => Number(statFields(other)?.[1]) === pid)];
}

/** Niceness of what runs on other machines in the field: whatever else wants a core gets it first. */
const ELSEWHERE = 15;
const AUTOGROUP_MS = 110;

/**
 * Linux, where each thread has a priority of its own, which those that it starts get, too, and where
 * sessions may be weighed against each other first (sched(7), "The autogroup feature").
 */
export async function giveWay(pids: readonly number[]): Promise<void> {
  for (const pid of pids) {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      try {
        setPriority(Number(thread), ELSEWHERE);
      } catch (error) {
        // It has ended since.
        if ((error as { code?: string }).code !== 'ERR_SYSTEM_ERROR') throw error;
      }
    }
    const autogroup = `/proc/${pid}/autogroup`;
    if (!existsSync(autogroup)) continue;
    writeFileSync(autogroup, String(ELSEWHERE));
    // It takes one in a tenth of a second from a user that is not root.
    await delay(AUTOGROUP_MS);
  }
}

export function parentOf(pid: number): number {
  return Number(statFields(pid)?.[1]);
}

/** Those with such an argument and the one that follows it. */
export function pidsWithArguments(name: string, value: string): number[] {
  return allPids().filter((pid) => {
    const given = readOrNull(`/proc/${pid}/cmdline`)?.split('\0') ?? [];
    return given.some((argument, index) => argument === name && given[index + 1] === value);
  });
}

/** Behind the program's name, which stands in brackets and may hold spaces: state, parent, … */
function statFields(pid: number): string[] | null {
  const stat = readOrNull(`/proc/${pid}/stat`);
  return stat === null ? null : stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

function allPids(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

function readOrNull(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}
