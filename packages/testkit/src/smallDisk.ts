import { execFile } from 'node:child_process';
import { mkdtemp, rm, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** What a test without one says. */
export const NO_SMALL_DISK = 'needs to mount a file system of its own: run it as root on Linux';

/** A real file system of its own, small enough to be filled up. */
export interface SmallDisk extends AsyncDisposable {
  readonly directory: string;
  /** Leaves no room for anything more. */
  fill(): Promise<void>;
  /** Gives the room back. */
  free(): Promise<void>;
}

/** @returns null where this process may not mount one */
export async function mountSmallDisk(megabytes: number): Promise<SmallDisk | null> {
  const directory = await mkdtemp(join(tmpdir(), 'linkspan-disk-'));
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', directory]);
  } catch {
    await rm(directory, { recursive: true });
    return null;
  }
  const ballast = join(directory, 'ballast');
  return {
    directory,
    async fill() {
      const { bavail, bsize } = await statfs(directory);
      // A write that does not fit takes what is left before it fails.
      await writeFile(ballast, Buffer.alloc(bavail * bsize + bsize)).catch(() => undefined);
    },
    free: () => rm(ballast, { force: true }),
    async [Symbol.asyncDispose]() {
      await run('umount', ['--lazy', directory]);
      await rm(directory, { recursive: true });
    },
  };
}
