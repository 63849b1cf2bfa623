import type { Journal } from '../journal/journal.ts';
import { openChangeStream } from '../source/changeStream.ts';
import type { SourceConnection } from '../source/connection.ts';
import { describeSource, isSameSource } from '../source/identity.ts';
import { type MigrationContext, MigrationFailedError, persist } from './context.ts';

/**
 * D1: the first resume token is durable before anything is listed, and tied to its source.
 * @throws {MigrationFailedError} if the journal began with another source
 */
export async function begin(
  scope: Pick<MigrationContext, 'signal' | 'waiting' | 'log'>,
  journal: Journal,
  source: SourceConnection,
): Promise<void> {
  const { identity } = await persist(scope, 'asking the source who it is', () =>
    describeSource(source),
  );
  const state = journal.state();
  if (state !== null) {
    if (isSameSource(state.sourceIdentity, identity)) return;
    throw new MigrationFailedError(
      `the source is not the deployment that this migration began with (it was ${state.sourceIdentity}, it is ${identity}): start a new migration for it`,
    );
  }
  await persist(scope, 'opening the change stream', async () => {
    await using stream = await openChangeStream(source, { at: 'now' });
    const { token, position } = stream.first;
    journal.begin({ sourceIdentity: identity, resumeToken: token, position });
  });
}
