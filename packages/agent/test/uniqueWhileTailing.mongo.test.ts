import type { Verification } from '@linkspan/contract/push/verification.ts';
import type { Document } from 'mongodb';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { EngineHooks } from '../src/migration/context.ts';
import { once, pair, withPair } from './support/enginePair.ts';

interface Holder extends Document {
  _id: number | string;
  u: string;
}

withPair();

const here = () => pair.app.collection<Holder>('a');
const there = () => pair.copy.collection<Holder>('a');

/** `{_id: value of u}` of the copy. */
async function values(): Promise<Record<string, string>> {
  const documents = await there().find().toArray();
  return Object.fromEntries(documents.map(({ _id, u }) => [String(_id), u]));
}

/** Gives documents of the source other values, all at once; a unique index lets that be done by a detour. */
async function give(wanted: Record<number, string>): Promise<void> {
  const set = (_id: string, u: string) => ({
    updateOne: { filter: { _id: Number(_id) }, update: { $set: { u } } },
  });
  const detour = Object.keys(wanted).map((_id) => set(_id, `on the way ${_id}`));
  const direct = Object.entries(wanted).map(([_id, u]) => set(_id, u));
  await pair.source.client().withSession((session) =>
    session.withTransaction(async () => {
      await here().bulkWrite([...detour, ...direct], { session });
    }),
  );
}

/**
 * A migration that tails, and whose destination has the unique index already, as after a cutover that
 * failed. The index is not reconciled away before `letGo`.
 */
async function tailingWithIndex(
  hooks: EngineHooks = {},
): Promise<{ id: string; letGo: () => void }> {
  const held = Promise.withResolvers<void>();
  let isHeld = false;
  const { id } = await pair.tailing({
    hooks: { ...hooks, afterListing: async () => (isHeld ? held.promise : undefined) },
  });
  isHeld = true;
  onTestFinished(() => held.resolve());
  const [, ...indexes] = await here().indexes();
  for (const { key, collation } of indexes) {
    await there().createIndex(key, { unique: true, ...(collation && { collation }) });
  }
  return { id, letGo: held.resolve };
}

/** True once the background has compared all that there is. */
async function isCompared(id: string): Promise<boolean> {
  const path = `/api/linkspan/v1/groups/${pair.side.projectId}/liveMigrations/${id}`;
  const { body } = await pair.side.api.get<Verification>(`${path}/verification`);
  return body.complete;
}

/** Asks for a cutover that fails. @returns why */
async function failure(id: string): Promise<string> {
  await pair.side.askForCutover(id);
  const { cutover } = await pair.side.until(
    id,
    'a failed cutover',
    (migration) => migration.cutover.failure !== null,
  );
  return cutover.failure ?? '';
}

describe('unique conflicts', () => {
  it('D17, Hazard 5: two documents that swap a unique value are pushed, also if they swap again in between', async () => {
    await here().createIndex({ u: 1 }, { unique: true });
    await here().insertMany([1, 2].map((_id) => ({ _id, u: `value ${_id}` })));
    let isSwapped = false;
    const again = once(async () => {
      await give({ 1: 'value 1', 2: 'value 2' });
      await give({ 1: 'value 2', 2: 'value 1' });
    });
    const { id, letGo } = await tailingWithIndex({
      afterRead: async (what) => (isSwapped && what === 'flush' ? again() : undefined),
    });
    await give({ 1: 'value 2', 2: 'value 1' });
    isSwapped = true;
    await expect.poll(values, { timeout: 30_000 }).toEqual({ 1: 'value 2', 2: 'value 1' });
    expect(await there().indexExists('u_1'), 'it was in the way all the time').toBe(true);
    letGo();
    await pair.side.cutOver(id);
    await pair.expectEqual();
  });

  it('D3, D17: of a chain, each gives its key free to the next, and what was deleted stays so', async () => {
    const [count, far] = [60, 31];
    await here().createIndex({ u: 1 }, { unique: true });
    const all = Array.from({ length: count }, (_, _id) => _id);
    await here().insertMany(all.map((_id) => ({ _id, u: `value ${_id}` })));
    const { id, letGo } = await tailingWithIndex();
    await give(Object.fromEntries(all.map((_id) => [_id, `value ${(_id + far) % count}`])));
    await here().deleteOne({ _id: 7 });
    await here().insertOne({ _id: 'new', u: `value ${7 + far}` });
    const wanted = Object.fromEntries(
      (await here().find().toArray()).map(({ _id, u }) => [String(_id), u]),
    );
    await expect.poll(values, { timeout: 60_000 }).toEqual(wanted);
    expect(await there().indexExists('u_1')).toBe(true);
    letGo();
    await pair.side.cutOver(id);
    await pair.expectEqual();
  });

  it('D17: two documents that go on having one key are both named', async () => {
    // All of a collated collection is pushed by one lane, so that nothing comes between.
    const options = { collation: { locale: 'en', strength: 2 } };
    await pair.app.createCollection('a', options);
    await here().createIndex({ u: 1 }, { unique: true, ...options });
    await here().insertOne({ _id: 'ours', u: 'before' });
    const write = async (): Promise<void> => {
      await there().updateOne({ _id: 'theirs' }, { $set: { u: 'WANTED' } }, { upsert: true });
    };
    let isWriting = false;
    const { id } = await tailingWithIndex({
      afterRead: async (what) => (isWriting && what === 'flush' ? write() : undefined),
    });
    await write();
    isWriting = true;
    await here().updateOne({ _id: 'ours' }, { $set: { u: 'wanted' } });
    const reason = await failure(id);
    expect(reason).toContain('"ours"');
    expect(reason).toContain('"theirs"');
    expect(reason).toContain('the same key in the unique index "u_1"');
  });

  it('D17, D22: a unique index that cannot be built fails the cutover with both keys', async () => {
    await here().createIndex({ u: 1 }, { unique: true });
    await here().insertOne({ _id: 1, u: 'value' });
    const theirs = () =>
      there().updateOne({ _id: 'theirs' }, { $set: { u: 'value' } }, { upsert: true });
    let [mayWrite, isWriting] = [true, false];
    const { id } = await pair.tailing({
      hooks: {
        beforeCutoverStep: async (step) => {
          isWriting = mayWrite && step === 'UNIQUE_INDEXES';
        },
        afterListing: async () => {
          if (isWriting) await theirs();
        },
      },
    });
    // Or its walk would delete what is planted, before the index is built.
    await expect.poll(() => isCompared(id), { timeout: 30_000 }).toBe(true);
    const reason = await failure(id);
    expect(reason).toContain('"theirs"');
    expect(reason).toContain('_id 1 and');
    mayWrite = false;
    isWriting = false;
    await there().deleteOne({ _id: 'theirs' });
    await pair.side.cutOver(id);
    await pair.expectEqual();
  });
});
