import { type MongoDB, startMongoDB } from '@linkspan/testkit/mongodb.ts';
import { eventually } from '@linkspan/testkit/eventually.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openJournal } from '../src/journal/journal.ts';
import { connectSource } from '../src/source/connection.ts';
import { describeSource } from '../src/source/identity.ts';
import { journalDirectory, tell } from './support/told.ts';

let source: MongoDB;

beforeAll(async () => {
  source = await startMongoDB({ name: 'source' });
});

afterAll(() => source.stop());

/** The journal of a migration that has listed a source and copied nothing, an hour ago. */
function listed(path: string, sourceIdentity: string): void {
  using journal = openJournal(path, 'm');
  const time = BigInt(Math.floor(Date.now() / 1000) - 3600) << 32n;
  journal.begin({
    sourceIdentity,
    resumeToken: Buffer.from([5, 0, 0, 0, 0]),
    position: { time, through: true },
  });
  journal.saveListedAt(time);
}

describe('a source that is another deployment', () => {
  it('D1: is told of while the migration is paused, and followed in nothing', async () => {
    using directory = journalDirectory();
    listed(directory.path, 'replicaSet:other:');
    await using told = tell('paused', source.uri, directory.path);
    await eventually(() => expect(told.reports.at(-1)?.warnings).not.toEqual([]));
    const { warnings, waitingFor, lagSeconds } = told.reports.at(-1) ?? {};
    expect(warnings).toHaveLength(1);
    expect(warnings?.[0]).toContain('changes are not followed while it is paused');
    expect(warnings?.[0]).toContain('it was replicaSet:other:');
    expect(waitingFor).toBe('the source that the migration began with');
    expect(lagSeconds).toBeGreaterThanOrEqual(3600);
    expect(told.failures).toEqual([]);
  });

  it('D1: ends the migration that runs', async () => {
    using directory = journalDirectory();
    listed(directory.path, 'replicaSet:other:');
    await using told = tell('run', source.uri, directory.path);
    await told.ended;
    expect(told.failures[0]).toContain('not the deployment that this migration began with');
  });
});

it('I8: the lag is not taken from a clock that was not read yet', async () => {
  using directory = journalDirectory();
  await using connection = await connectSource(source.uri);
  listed(directory.path, (await describeSource(connection)).identity);
  await using told = tell('run', source.uri, directory.path);
  await eventually(() => expect(told.reports.length).toBeGreaterThan(1));
  expect(told.reports.slice(0, 2).map(({ lagSeconds }) => (lagSeconds ?? 0) >= 3600)).toEqual([
    true,
    true,
  ]);
});
