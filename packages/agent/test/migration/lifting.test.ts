import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DEFAULT_OPTIONS } from '../../src/migration/context.ts';
import { Lifting } from '../../src/migration/lifting.ts';
import { Waiting } from '../../src/migration/waiting.ts';
import type { WriteBlock } from '../../src/migration/writeBlock.ts';
import { WriteBlockRefusedError } from '../../src/source/writeBlock.ts';

const silent = (): void => undefined;
const log = { debug: silent, info: silent, warn: silent, error: silent };

let stop: AbortController;
let attempts: PromiseWithResolvers<void>[];
let lifting: Lifting;
let running: Promise<unknown>;

/** Each attempt is answered by the test, as the source would. */
beforeEach(() => {
  stop = new AbortController();
  attempts = [];
  const writeBlock = {
    lift() {
      const attempt = Promise.withResolvers<void>();
      attempts.push(attempt);
      return attempt.promise;
    },
  } as unknown as WriteBlock;
  const options = { ...DEFAULT_OPTIONS, liftAgainMs: 0 };
  const context = { signal: stop.signal, waiting: new Waiting(), log, options };
  lifting = new Lifting(context, writeBlock);
  running = lifting.run().catch(() => undefined);
});
afterEach(async () => {
  stop.abort(new Error('the test is over'));
  for (const { resolve } of attempts) resolve();
  await running;
});

const attempted = (times: number) => expect.poll(() => attempts.length).toBe(times);

describe('a write block that no cutover holds', () => {
  it('D23: is tried again to be lifted also where the source has refused that', async () => {
    await attempted(1);
    attempts[0]?.reject(new WriteBlockRefusedError('not authorized'));
    await attempted(2);
    attempts[1]?.reject(new WriteBlockRefusedError('not authorized'));
    await attempted(3);
  });

  it('D23: is never lifted after a cutover has begun to hold it, until that has failed', async () => {
    await attempted(1);
    let isHeld = false;
    const held = lifting.hold().then(() => (isHeld = true));
    await new Promise(setImmediate);
    expect(isHeld, 'one is under way').toBe(false);
    attempts[0]?.reject(new WriteBlockRefusedError('not authorized'));
    await held;
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(attempts).toHaveLength(1);
    lifting.release();
    await attempted(2);
  });
});
