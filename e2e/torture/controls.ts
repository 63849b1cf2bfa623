import { setTimeout as delay } from 'node:timers/promises';
import type { LinkedPair } from '@linkspan/testkit/linkedPair.ts';
import type { Random } from './random.ts';
import { openSource } from './workers.ts';
import { DURABLE } from './workload/feature.ts';

/** What people do to a migration while it runs. */
export interface Control {
  readonly kind: string;
  readonly weight: number;
  /**
   * @param atEnd what it leaves running is ended with the writing of the source
   * @throws {Error} if the migration does what it must not
   */
  act(pair: LinkedPair, id: string, random: Random, atEnd: AsyncDisposableStack): Promise<void>;
}

const PATIENCE_MS = 20_000;

/**
 * Until the server takes it: it may be down or out of reach.
 * @returns false where it cannot be done now, as a pause in the middle of a cutover
 */
export async function ask(pair: LinkedPair, id: string, verb: string): Promise<boolean> {
  const path = `/api/linkspan/v1/groups/${pair.projectId}/liveMigrations/${id}/${verb}`;
  for (;;) {
    const { status, body } = await pair.api
      .post(path)
      .catch((error: unknown) => ({ status: 503, body: error }));
    if (status === 202 || status === 409) return status === 202;
    if (status < 500) throw new Error(`${verb} was answered ${status}: ${JSON.stringify(body)}`);
    await delay(200);
  }
}

/** Writes without a pause until it is disposed of. */
function keepWriting(pair: LinkedPair): AsyncDisposable {
  const stop = new AbortController();
  const source = openSource(pair.source.uri);
  const beats = source.client.db('app').collection<{ _id: number; beats: number }>('beats');
  const run = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      const beat = beats.updateOne(
        { _id: 0 },
        { $inc: { beats: 1 } },
        { upsert: true, ...DURABLE },
      );
      // The source may be down: then it is not written, and does not answer a cutover either.
      await beat.catch(() => delay(5));
    }
  };
  const running = run();
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running;
      await source[Symbol.asyncDispose]();
    },
  };
}

export const CONTROLS: readonly Control[] = [
  {
    kind: 'pause and resume',
    weight: 2,
    async act(pair, id, random) {
      if (!(await ask(pair, id, 'pause'))) return;
      await delay(random.between(100, 4000));
      if (!(await ask(pair, id, 'resume'))) throw new Error('a paused migration was not resumed');
    },
  },
  {
    kind: 'verification asked for',
    weight: 1,
    act: async (pair, id) => void (await ask(pair, id, 'verify')),
  },
  {
    kind: 'repair asked for',
    weight: 1,
    act: async (pair, id) => void (await ask(pair, id, 'repair')),
  },
  {
    kind: 'cutover while the source is written',
    weight: 1,
    async act(pair, id, _random, atEnd) {
      // The workload has gaps, in which a cutover may rightly succeed.
      await using writing = new AsyncDisposableStack();
      writing.use(keepWriting(pair));
      const path = `/api/atlas/v2/groups/${pair.projectId}/liveMigrations/${id}/cutover`;
      const answer = await pair.api.put(path, { version: '2023-01-01' }).catch(() => null);
      // It is not ready for one.
      if (answer !== null && answer.status >= 400) return;
      const deadline = performance.now() + PATIENCE_MS;
      while (performance.now() < deadline) {
        const found = await pair.describe(id).catch(() => null);
        if (found?.status === 'COMPLETE') {
          throw new Error('a cutover succeeded although the source was being written');
        }
        if (found !== null && !found.cutover.underWay) return;
        await delay(100);
      }
      // It may drain for minutes: only a source that is at rest may let it succeed.
      atEnd.use(writing.move());
    },
  },
];
