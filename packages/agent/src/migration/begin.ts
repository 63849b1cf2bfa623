import type { Journal } from '../journal/journal.ts';
import { openChangeStream } from '../source/changeStream.ts';
import { type SourceConnection, connectSource, hostsOf } from '../source/connection.ts';
import { describeSource, isSameSource } from '../source/identity.ts';
import { type MigrationContext, MigrationFailedError, persist } from './context.ts';

type Scope = Pick<MigrationContext, 'signal' | 'waiting' | 'log'>;

/**
 * Connects to the source of a migration, for as long as it takes; what it waits for is shown.
 * D1: the first resume token is durable before anything is listed, and tied to its source.
 * @param sourceUri with credentials
 * @throws {MigrationFailedError} if the journal began with another source, or the source is sharded or
 *   acknowledges majority writes before they are on disk (rule D24)
 */
export async function begin(
  scope: Scope,
  journal: Journal,
  sourceUri: string,
): Promise<SourceConnection> {
  /** The driver may take long to give up: until then, too, the person is to know what is asked. */
  const ask = <T>(what: string, attempt: () => Promise<T>): Promise<T> => {
    scope.waiting.set(what, `${what}: ${hostsOf(sourceUri)} has not answered yet`);
    return persist(scope, what, attempt);
  };
  await using resources = new AsyncDisposableStack();
  const source = resources.use(
    await ask('connecting to the source', () => connectSource(sourceUri)),
  );
  const { identity, topology, majorityJournaled } = await ask(
    'asking the source who it is',
    async () => {
      // Its clock is known from here on: without it, the lag would look like none (invariant I8).
      await source.run('admin', { ping: 1 });
      return describeSource(source);
    },
  );
  if (topology === 'sharded') {
    throw new MigrationFailedError(
      'the source is a sharded cluster, which is not migrated yet: start a new migration from a replica set',
    );
  }
  if (!majorityJournaled) {
    throw new MigrationFailedError(
      'the source acknowledges majority writes before they are on disk, so it may lose what was already copied: set writeConcernMajorityJournalDefault to true and start a new migration',
    );
  }
  const state = journal.state();
  if (state === null) {
    await ask('opening the change stream', async () => {
      await using stream = await openChangeStream(source, { at: 'now' });
      const { token, position } = stream.first;
      journal.begin({ sourceIdentity: identity, resumeToken: token, position });
    });
  } else if (!isSameSource(state.sourceIdentity, identity)) {
    throw new MigrationFailedError(
      `the source is not the deployment that this migration began with (it was ${state.sourceIdentity}, it is ${identity}): start a new migration for it`,
    );
  }
  resources.move();
  return source;
}
