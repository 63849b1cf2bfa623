import { Selection } from '@linkspan/contract/namespaces/selection.ts';
import { eventually } from '@linkspan/testkit/eventually.ts';
import { describe, expect, it } from 'vitest';
import type { Incarnation } from '../../src/journal/incarnations.ts';
import { differenceAtRest, listAtRest } from '../../src/migration/lastListing.ts';
import { app, collection, known, seeAll, step, withSteps } from '../support/step.ts';

withSteps();

describe('the last listing of a cutover', () => {
  const difference = async (): Promise<string | null> =>
    differenceAtRest(step.context, await listAtRest(step.context));

  /** A collection of the source as a reconciliation leaves it in the journal. */
  async function moved(name: string): Promise<Incarnation> {
    await collection(name).insertOne({ _id: 1 });
    const incarnation = known(name, 'COPIED');
    const listed = await listAtRest(step.context);
    const found = listed.find(({ namespace }) => namespace.coll === name);
    step.journal.incarnations.update(incarnation.id, { uuid: found?.uuid ?? null });
    return incarnation;
  }

  it('D5: a collection that the journal has lost, or that has gone without an event, fails it', async () => {
    seeAll();
    const { id } = await moved('a');
    expect(await difference()).toBeNull();
    await collection('b').insertOne({ _id: 1 });
    expect(await difference()).toBe('app.b is at the source and was not moved');
    await collection('b').drop();
    step.journal.incarnations.update(id, { uuid: '11'.repeat(16) });
    expect(await difference()).toBe('app.a is at the source, but not the one that was moved');
    step.journal.incarnations.update(id, { uuid: null });
    expect(await difference(), 'its UUID is not known').toBeNull();
    step.journal.incarnations.update(id, { type: 'view' });
    expect(await difference()).toBe('app.a is at the source, but not the one that was moved');
    step.journal.incarnations.update(id, { type: 'collection' });
    await collection('a').drop();
    expect(await difference()).toBe('app.a was moved and is not at the source any more');
  });

  it('D5: only what is selected counts, and counts once the stream has passed it', async () => {
    await collection('a').insertOne({ _id: 1 });
    const { namespace } = collection('a');
    const selection = new Selection({ include: [], exclude: [namespace], rename: [] });
    step.context = { ...step.context, selection };
    let isListed = false;
    const listed = difference().finally(() => (isListed = true));
    await eventually(() => expect(step.context.gate.isWaitedFor).toBe(true));
    expect(isListed).toBe(false);
    seeAll();
    expect(await listed).toBeNull();
    step.context = { ...step.context, selection: Selection.everything };
    expect(await difference()).toBe('app.a is at the source and was not moved');
  });

  it('D20: of a time series its own name counts, not that of its buckets', async () => {
    seeAll();
    await step.mongodb
      .client()
      .db('app')
      .createCollection('s', { timeseries: { timeField: 't' } });
    const { id } = known('s', 'COPIED');
    expect(await difference()).toBeNull();
    step.journal.incarnations.update(id, { source: app('other') });
    expect(await difference()).toBe('app.s is at the source and was not moved');
  });
});
