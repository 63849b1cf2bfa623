import { beforeEach, describe, expect, it } from 'vitest';
import { listSourceInto } from '../../src/migration/listSourceInto.ts';
import {
  app,
  collection,
  known,
  see,
  seeAll,
  END_OF_TIME,
  step,
  withSteps,
} from '../support/step.ts';

withSteps();

describe('a listing of the source', () => {
  const names = (): string[] =>
    [...step.journal.incarnations.live()].map(({ source: { coll } }) => coll);
  const notes: string[] = [];
  const noted = (change: string): void => void notes.push(change);
  /** Later than everything that the source does. */
  const later = { time: END_OF_TIME };
  /** What is done at each listing, in turn; then nothing. */
  function atListings(...acts: ((what: string) => unknown)[]): string[] {
    const listed: string[] = [];
    const afterSourceListing = async (what: string): Promise<void> => {
      listed.push(what);
      await acts.shift()?.(what);
    };
    step.context = { ...step.context, hooks: { afterSourceListing } };
    return listed;
  }

  beforeEach(async () => {
    for (const name of ['a', 'b']) await collection(name).insertOne({ _id: 1 });
    seeAll();
  });

  it('D7: lists names that were dropped meanwhile again by themselves, and the others count', async () => {
    const listed = atListings(async () => {
      await collection('a').drop();
      see({ type: 'drop', ...later });
    });
    await listSourceInto(step.context, noted);
    expect(names()).toEqual(['b']);
    expect(listed).toEqual(['all', 'app.a']);
    expect(step.journal.state()?.listedAt).not.toBeNull();
  });

  it('D5: finds what was dropped and made again meanwhile without an event', async () => {
    atListings(
      () => see({ type: 'drop', ...later }),
      () => see({ type: 'drop', ...later }),
    );
    await listSourceInto(step.context, noted);
    expect(names()).toEqual(['b', 'a']);
  });

  it('D2: leaves a name that is made while it is listed to its events', async () => {
    const dropAndMake = (): void => {
      see({ type: 'drop', ...later });
      see({ type: 'create', uuid: '22'.repeat(16), ...later });
    };
    const listed = atListings(...Array.from({ length: 20 }, () => dropAndMake));
    await listSourceInto(step.context, noted);
    expect(listed).toEqual(['all']);
    expect(step.journal.incarnations.byName(app('a'))).toMatchObject({
      state: 'COPIED',
      uuid: '22'.repeat(16),
    });
  });

  it('D5: an event that is older than the listing does not tell what has the name now', async () => {
    known('a', 'COPIED');
    const listed = atListings(() => see({ type: 'create', time: 1n }));
    await listSourceInto(step.context, noted);
    expect(listed).toEqual(['all', 'app.a']);
    expect(names()).toEqual(['a', 'b']);
  });

  it('D16: follows a rename, from one database to another, too', async () => {
    const { id } = known('a', 'COPIED');
    const other = { db: 'other', coll: 'x' };
    const listed = atListings(() => see({ type: 'rename', to: other, ...later }));
    await collection('a').drop();
    await listSourceInto(step.context, noted);
    expect(listed).toEqual(['all', 'app.a']);
    expect(step.journal.incarnations.byName(other)?.id).toBe(id);
    expect(step.journal.structural.first()).toMatchObject({
      incarnation: id,
      kind: 'rename',
      to: other,
    });
  });

  it('D16: a database that is dropped meanwhile takes all of its names along', async () => {
    await step.mongodb.client().db('app').createCollection('v', { viewOn: 'a', pipeline: [] });
    atListings(async () => {
      await step.mongodb.client().db('app').dropDatabase();
      see({ type: 'dropDatabase', namespace: app(''), ...later });
    });
    await listSourceInto(step.context, noted);
    expect(names()).toEqual([]);
  });

  it('D2: another collection under a known name is a new one', async () => {
    const { id } = known('a', 'COPIED');
    step.journal.incarnations.update(id, { uuid: '11'.repeat(16) });
    await listSourceInto(step.context, noted);
    const found = step.journal.incarnations.byName(app('a'));
    expect(found).toMatchObject({ state: 'PENDING' });
    expect(step.journal.structural.first()).toMatchObject({ incarnation: id, kind: 'drop' });
  });

  it('D5: says what it has found and missed', async () => {
    known('gone', 'COPIED');
    known('a', 'COPIED');
    notes.length = 0;
    await listSourceInto(step.context, noted);
    expect(notes).toEqual([
      'app.gone: not at the source any more as it was known',
      'app.b: found at the source',
    ]);
  });

  it('I3: the source is not listed before names that were touched meanwhile are', async () => {
    step.journal.saveListedAt(1n);
    const during: unknown[] = [];
    atListings(
      () => see({ type: 'drop', ...later }),
      () => during.push(step.journal.state()?.listedAt),
    );
    await listSourceInto(step.context, noted);
    expect(during, 'a start after a crash lists again').toEqual([null]);
    expect(step.journal.state()?.listedAt).toBeGreaterThan(1n);
  });

  it('D1: is not made if history was lost while names were listed by themselves', async () => {
    atListings(
      () => see({ type: 'drop', ...later }),
      () => step.context.lives.everythingChanged(),
    );
    await listSourceInto(step.context, noted);
    expect(step.journal.state()?.listedAt).toBeNull();
  });

  it('D1: counts for nothing where history was lost meanwhile', async () => {
    known('gone', 'COPIED');
    atListings(() => step.context.lives.everythingChanged());
    await listSourceInto(step.context, noted);
    expect(names()).toEqual(['gone']);
    expect(step.journal.state()?.listedAt).toBeNull();
  });
});
