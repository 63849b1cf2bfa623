import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { setTimeout as delay } from 'node:timers/promises';
import { startLinkedPair } from '@linkspan/testkit/linkedPair.ts';
import { type MongoDB, startMongoDB } from '@linkspan/testkit/mongodb.ts';
import type { LinkspanProcess } from '@linkspan/testkit/processes.ts';
import { BENCH_DB, DOCUMENTS, loadDocuments } from './data.ts';

const ROUNDS = 2;
const POLL_MS = 100;
const MEBIBYTE = 1024 * 1024;

/** The target: Linkspan's throughput against the bare loop's. */
const WANTED_RATIO = 0.8;

const BARE_LOOP = fileURLToPath(new URL('bareLoop.ts', import.meta.url));

interface Run {
  /** From the first command until every document was acknowledged. */
  readonly seconds: number;
  readonly cpuSeconds: number;
  /** Of each process, in bytes. */
  readonly rss: readonly number[];
}

/**
 * Copies the same documents through a bare loop and through Linkspan (agent and server as processes,
 * over HTTP, zstd on), in turn, on the same two databases, and prints both.
 */
export async function benchCopy(): Promise<void> {
  await using source = await startMongoDB({ name: 'source' });
  await using destination = await startMongoDB({ name: 'destination' });
  console.log(`copy: ${DOCUMENTS} documents, ${source.server} on both sides, ${ROUNDS} rounds`);
  await loadDocuments(source.client());
  const ratios: number[] = [];
  for (let round = 1; round <= ROUNDS; round += 1) {
    const bare = await runBareLoop(source, destination);
    const linkspan = await runLinkspanCopy(source, destination);
    print(`round ${round}  bare loop`, bare);
    print(`round ${round}  Linkspan `, linkspan);
    ratios.push(bare.seconds / linkspan.seconds);
  }
  const shown = ratios.map((ratio) => ratio.toFixed(2)).join(', ');
  console.log(`throughput of Linkspan / bare loop: ${shown} (wanted: ${WANTED_RATIO} or more)`);
}

async function runBareLoop(source: MongoDB, destination: MongoDB): Promise<Run> {
  await destination.client().db(BENCH_DB).dropDatabase();
  const started = performance.now();
  const { stdout } = await promisify(execFile)(process.execPath, [BARE_LOOP], {
    env: { ...process.env, BENCH_SOURCE: source.uri, BENCH_DESTINATION: destination.uri },
  });
  const seconds = (performance.now() - started) / 1000;
  const { cpuSeconds, rssBytes } = JSON.parse(stdout) as { cpuSeconds: number; rssBytes: number };
  return { seconds, cpuSeconds, rss: [rssBytes] };
}

async function runLinkspanCopy(source: MongoDB, destination: MongoDB): Promise<Run> {
  await destination.client().db(BENCH_DB).dropDatabase();
  await using pair = await startLinkedPair({ source, destination });
  const processes = [pair.agent, pair.server];
  const before = await cpuOf(processes);
  const started = Date.now();
  await pair.start();
  const seconds = ((await copiedAt(pair.agent)) - started) / 1000;
  const cpuSeconds = (await cpuOf(processes)) - before;
  const rss = await Promise.all(processes.map((one) => one.rssBytes()));
  return { seconds, cpuSeconds, rss };
}

/**
 * When the agent logged that every document was acknowledged, in milliseconds since 1970. Asking the
 * destination for its count instead would slow it down: SecantusDB counts one document after another.
 */
async function copiedAt(agent: LinkspanProcess): Promise<number> {
  for (;;) {
    const lines = (await agent.log()).split('\n').filter((line) => line.startsWith('{'));
    const copied = lines
      .map((line) => JSON.parse(line) as { msg: string; time: number })
      .find(({ msg }) => msg === 'collection copied');
    if (copied !== undefined) return copied.time;
    await delay(POLL_MS);
  }
}

async function cpuOf(processes: readonly LinkspanProcess[]): Promise<number> {
  const each = await Promise.all(processes.map((one) => one.cpuSeconds()));
  return each.reduce((sum, seconds) => sum + seconds, 0);
}

function print(name: string, { seconds, cpuSeconds, rss }: Run): void {
  const memory = rss.map((bytes) => `${Math.round(bytes / MEBIBYTE)} MB`).join(' + ');
  console.log(
    `${name}  ${seconds.toFixed(2)} s  ${cpuSeconds.toFixed(2)} CPU s  peak RSS ${memory}`,
  );
}
