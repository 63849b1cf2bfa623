import { describe, expect, it } from 'vitest';
import { type Counters, Meter, type Window } from '../src/migration/meter.ts';
import { etaSeconds, holdingBack, ratesOf } from '../src/migration/pace.ts';

const NONE: Counters = {
  documentsCopied: 0,
  bytesCopied: 0,
  documentsFlushed: 0,
  keysPending: 0,
  bytesSent: 0,
};

function windowOf(changes: Partial<Window>): Window {
  return {
    seconds: 10,
    from: NONE,
    to: NONE,
    bytesPushed: 0,
    waited: { source: 0, push: 0, throttle: 0 },
    destinationMs: 0,
    networkMs: 0,
    ...changes,
  };
}

describe('Meter', () => {
  it('I8: tells of the last minute only, and of what was acknowledged', async () => {
    let now = 0;
    const meter = new Meter(() => now);
    expect(meter.sample(NONE)).toBeNull();
    now = 2000;
    expect(meter.sample(NONE), 'too short to tell').toBeNull();
    const refused = { index: 1, code: 121, message: 'refused' };
    const reply = { written: 1, duplicates: 0, failures: [refused], destinationMs: 700 };
    const push = meter.pushing([Buffer.alloc(500), Buffer.alloc(9000)], async () => reply);
    now = 3000;
    await push;
    await expect(
      meter.pushing([Buffer.alloc(900)], async () => Promise.reject(new Error('refused'))),
    ).rejects.toThrow('refused');
    now = 40_000;
    const first = meter.sample({ ...NONE, documentsCopied: 80 });
    expect(first).toMatchObject({ seconds: 40, bytesPushed: 500 });
    expect(first).toMatchObject({ destinationMs: 700, networkMs: 300 });
    now = 90_000;
    const later = meter.sample({ ...NONE, documentsCopied: 100 });
    expect(later).toMatchObject({ seconds: 50, bytesPushed: 0, destinationMs: 0 });
    expect(ratesOf(later as Window).documentsPerSecond).toBe(0.4);
  });

  it('counts a wait that has not ended', async () => {
    let now = 0;
    const meter = new Meter(() => now);
    meter.sample(NONE);
    const held = Promise.withResolvers<void>();
    const waiting = meter.waiting('source', () => held.promise);
    now = 5000;
    expect(meter.sample(NONE)?.waited).toMatchObject({ source: 5000, push: 0 });
    now = 8000;
    held.resolve();
    await waiting;
    expect(meter.sample(NONE)?.waited).toMatchObject({ source: 8000, push: 0 });
  });

  it('closes what it reads for someone who stops', async () => {
    const meter = new Meter();
    let closed = false;
    async function* numbers(): AsyncGenerator<number> {
      try {
        for (let number = 0; ; number += 1) yield number;
      } finally {
        closed = true;
      }
    }
    for await (const number of meter.reading(numbers())) if (number === 3) break;
    expect(closed).toBe(true);
  });
});

describe('I8: what is still to come', () => {
  const copying = windowOf({ to: { ...NONE, bytesCopied: 1000 } });

  it('is told from the pace, and not told where that shows nothing', () => {
    expect(etaSeconds('COPYING', copying, 5000)).toBe(50);
    expect(etaSeconds('COPYING', copying, null), 'not measured').toBeNull();
    expect(etaSeconds('COPYING', windowOf({}), 5000), 'nothing moves').toBeNull();
    expect(etaSeconds('INDEXING', copying, 0)).toBeNull();
    const pending = (from: number, to: number): Window =>
      windowOf({ from: { ...NONE, keysPending: from }, to: { ...NONE, keysPending: to } });
    expect(etaSeconds('TAILING', pending(300, 200), 0)).toBe(20);
    expect(etaSeconds('TAILING', pending(300, 0), 0)).toBe(0);
    expect(etaSeconds('TAILING', pending(200, 300), 0), 'they come faster than they go').toBeNull();
  });
});

describe('what holds a migration back', () => {
  const push = { waited: { source: 100, push: 5000, throttle: 0 } };

  it('is what its steps wait for', () => {
    expect(
      holdingBack('COPYING', false, windowOf({ waited: { source: 900, push: 10, throttle: 0 } })),
    ).toBe('SOURCE');
    const slow = windowOf({ ...push, destinationMs: 4000, networkMs: 900 });
    expect(holdingBack('COPYING', false, slow)).toBe('DESTINATION');
    const far = windowOf({ ...push, destinationMs: 900, networkMs: 4000 });
    expect(holdingBack('COPYING', false, far)).toBe('NETWORK');
    expect(holdingBack('COPYING', true, far)).toBe('WAITING');
    const throttled = windowOf({ waited: { source: 900, push: 5000, throttle: 6000 } });
    expect(holdingBack('COPYING', false, throttled)).toBe('THROTTLE');
    expect(holdingBack('INDEXING', false, null)).toBe('DESTINATION');
    expect(holdingBack('COPYING', false, null)).toBeNull();
  });

  it('is nothing where there is nothing to do', () => {
    expect(holdingBack('TAILING', false, windowOf(push))).toBeNull();
  });
});
