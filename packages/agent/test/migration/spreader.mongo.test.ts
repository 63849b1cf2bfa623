import { eventually } from '@linkspan/testkit/eventually.ts';
import { keyOf } from '@linkspan/contract/bson/raw.ts';
import type { RangesReply, RangeStanding } from '@linkspan/contract/push/ranges.ts';
import { serialize } from 'bson';
import { describe, expect, it } from 'vitest';
import { Spreader } from '../../src/migration/spreader.ts';
import type { RangesToSay } from '../../src/push/pusher.ts';
import { app, known, running, see, step, withSteps } from '../support/step.ts';

const key = (_id: number) => keyOf(Buffer.from(serialize({ _id })));

describe('ranges for other hosts', () => {
  withSteps();

  /** What was said, and the answers of a server with one host that could copy. */
  function withServer(standingOf: (id: number) => Partial<RangeStanding> = () => ({})) {
    const said: RangesToSay[] = [];
    const server = { said, epoch: 1, standingOf };
    const { signal } = step.stop;
    const ranges = async (make: (epoch: number) => RangesToSay): Promise<RangesReply> => {
      await new Promise(setImmediate);
      signal.throwIfAborted();
      const request = make(server.epoch);
      said.push(request);
      const nothing = { position: null, documents: 0, bytes: 0, wireBytes: 0 };
      const standings = request.ranges.map(({ id, takeBack }) => {
        const state = takeBack === null ? ('TAKEN' as const) : ('RETURNED' as const);
        return { id, ...nothing, state, ...server.standingOf(id) };
      });
      return { hosts: 1, copying: 1, waitedFor: null, ranges: standings };
    };
    Object.assign(step.context.pusher, { ranges });
    return server;
  }

  /** A collection of four ranges, the first of which this host copies. */
  async function copying(spreader: Spreader) {
    const { id } = known('a', 'PENDING');
    step.journal.incarnations.update(id, { state: 'COPYING' });
    step.journal.ranges.plan(id, [key(10), key(20), key(30)]);
    const queue = spreader.open(id, step.journal.ranges.of(id));
    expect(await queue.next(step.stop.signal)).toMatchObject({ number: 0 });
    return { id, queue };
  }

  const untilSaid = (
    { said }: { said: readonly RangesToSay[] },
    isMeant: (one: RangesToSay) => boolean,
  ) => eventually(() => expect(said.some(isMeant)).toBe(true));

  it('offers what it has not begun, from the last range on, to be read no earlier than what is tracked', async () => {
    const spreader = new Spreader(step.context);
    const server = withServer();
    await copying(spreader);
    step.context.gate.advance({ time: 7n, through: true });
    running(spreader);
    await untilSaid(server, ({ ranges }) => ranges.length === 3);
    expect(server.said.at(-1)).toMatchObject({
      sourceIdentity: 's',
      ranges: [
        { ...app('a'), toColl: 'a', lower: key(30), upper: null, since: 7n },
        { lower: key(20), upper: key(30) },
        { lower: key(10), upper: key(20) },
      ],
    });
    expect(spreader.copying).toBe(1);
  });

  it('D20: never buckets of a time series', async () => {
    const spreader = new Spreader(step.context);
    const server = withServer();
    const { id } = await copying(spreader);
    step.journal.incarnations.update(id, { buckets: true });
    running(spreader);
    await eventually(() => expect(server.said.length).toBeGreaterThan(1));
    expect(server.said.flatMap(({ ranges }) => ranges)).toEqual([]);
  });

  it('D7: with the position that has passed a rename, what had that name is taken back', async () => {
    const spreader = new Spreader(step.context);
    const server = withServer();
    const { id, queue } = await copying(spreader);
    running(spreader);
    await untilSaid(server, ({ ranges }) => ranges.length > 0);
    const before = step.context.gate.position;
    let isTakenBack = false;
    const barrier = spreader.takenBack(id).then(() => (isTakenBack = true));
    see({ type: 'rename', to: app('b') });
    expect(isTakenBack).toBe(false);
    await barrier;
    for (const { tracked, ranges } of server.said) {
      const isPast = tracked.time > before.time;
      expect(ranges.every(({ takeBack }) => (takeBack === 'NOW') === isPast)).toBe(true);
    }
    expect(await queue.next(step.stop.signal), 'nothing is begun under the old name').toBeNull();
  });

  it('I4: progress is journaled once, and a range that comes back is copied here from there', async () => {
    const spreader = new Spreader(step.context);
    const server = withServer((id) =>
      id === 1
        ? { state: 'DONE', position: key(39), documents: 9, bytes: 90 }
        : { state: 'RETURNED', position: key(15), documents: 5, bytes: 50 },
    );
    const { id, queue } = await copying(spreader);
    step.journal.ranges.plan(id, [key(10), key(20)]);
    running(spreader);
    await untilSaid(server, ({ ranges }) => ranges.length === 2);
    await eventually(() => expect(step.journal.ranges.of(id)[1]?.position).toEqual(key(15)));
    const [, second, third] = step.journal.ranges.of(id);
    expect(second).toMatchObject({ done: false });
    expect(third).toMatchObject({ position: key(39), done: true });
    expect(step.journal.incarnations.get(id)).toMatchObject({
      documentsCopied: 14,
      bytesCopied: 140,
    });
    const next = await queue.next(step.stop.signal);
    expect(next).toMatchObject({ number: 1, isForHere: true });
    const count = server.said.length;
    await new Promise(setImmediate);
    expect(server.said.slice(count).flatMap(({ ranges }) => ranges)).toEqual([]);
  });

  it('I5: a new session is offered everything anew, from what the journal has', async () => {
    const spreader = new Spreader(step.context);
    const server = withServer(() => ({ position: key(31), documents: 1, bytes: 1 }));
    const { id } = await copying(spreader);
    step.journal.ranges.plan(id, [key(30)]);
    running(spreader);
    await eventually(() => expect(step.journal.ranges.of(id)[1]?.position).toEqual(key(31)));
    server.standingOf = () => ({});
    server.epoch = 2;
    await untilSaid(server, ({ ranges }) => (ranges[0]?.id ?? 0) > 1);
    expect(server.said.at(-1)?.ranges.find(({ lower }) => lower !== null)?.position).toEqual(
      key(31),
    );
    expect(step.journal.incarnations.get(id)).toMatchObject({ documentsCopied: 1 });
  });
});
