import { setTimeout as delay } from 'node:timers/promises';
import type {
  CreateLiveMigrationOwn,
  LiveMigrationDetail,
} from '@linkspan/contract/api/liveMigrations.ts';
import type { TestApi } from './digestClient.ts';

const POLL_MS = 100;
const FIRST = '2023-01-01';
const LATEST = '2024-05-30';

/** The names that every pair has, so that tests can write them down. */
export const DESTINATION_CLUSTER = 'destination';
export const SOURCE_DEPLOYMENT = 'source';
export const MIGRATION_HOST = 'migration-host.example.net';
export const SOURCE_PROJECT = '5f0000000000000000000001';

/** The last two are of Linkspan's own API. */
export type StartOptions = Partial<
  Pick<CreateLiveMigrationOwn, 'dropDestinationData' | 'namespaces' | 'throttle'>
>;

/** See {@link migrationCalls}. */
export interface MigrationCalls {
  /** Starts a live migration and returns its id. */
  start(body?: StartOptions): Promise<string>;
  describe(id: string): Promise<LiveMigrationDetail>;
  /** Lifts its throttle, once what was to happen in the middle of it has happened. */
  unthrottle(id: string): Promise<void>;
  /**
   * Polls until the migration is as wanted; `what` names that in the error.
   * @throws {Error} when it becomes FAILED although that is not wanted, or after the time
   */
  until(
    id: string,
    what: string,
    isWanted: (migration: LiveMigrationDetail) => boolean,
    timeoutMs?: number,
  ): Promise<LiveMigrationDetail>;
  /** Asks for a cutover once the migration is ready for it. */
  askForCutover(id: string): Promise<void>;
  /** Cuts over and waits for COMPLETE. */
  cutOver(id: string, timeoutMs?: number): Promise<LiveMigrationDetail>;
}

/** What tests do with live migrations, as the organization's owner. */
export function migrationCalls(owner: TestApi, projectId: string): MigrationCalls {
  const path = `/api/atlas/v2/groups/${projectId}/liveMigrations`;
  const ownPath = `/api/linkspan/v1/groups/${projectId}/liveMigrations`;
  const describe = (id: string): Promise<LiveMigrationDetail> =>
    expectBody(owner.get(`${ownPath}/${id}`));
  const until: MigrationCalls['until'] = async (id, what, isWanted, timeoutMs = 120_000) => {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const migration = await describe(id);
      if (isWanted(migration)) return migration;
      if (migration.status === 'FAILED' || performance.now() > deadline) {
        throw new Error(`waiting for "${what}" in vain: ${JSON.stringify(migration)}`);
      }
      await delay(POLL_MS);
    }
  };
  const askForCutover = async (id: string): Promise<void> => {
    const isReady = ({ readyForCutover }: LiveMigrationDetail): boolean => readyForCutover;
    const deadline = performance.now() + 120_000;
    for (;;) {
      await until(id, 'ready for cutover', isReady, deadline - performance.now());
      const answer = await owner.put(`${path}/${id}/cutover`, { version: FIRST });
      // Right after a failed cutover the last report may be older than that.
      const isTooEarly =
        answer.status === 409 && JSON.stringify(answer.body).includes('NOT_READY_FOR_CUTOVER');
      if (!isTooEarly) return void (await expectBody(Promise.resolve(answer)));
      await delay(POLL_MS);
    }
  };
  return {
    async start({ dropDestinationData = false, ...own } = {}) {
      const body = migrationRequest(projectId, dropDestinationData);
      if (Object.keys(own).length > 0) {
        const request = { body: { ...body, ...own } };
        return (await expectBody<{ _id: string }>(owner.post(ownPath, request)))._id;
      }
      const request = { version: LATEST, body };
      return (await expectBody<{ _id: string }>(owner.post(path, request)))._id;
    },
    describe,
    async unthrottle(id) {
      await expectBody(owner.patch(`${ownPath}/${id}`, { body: { throttle: null } }));
    },
    until,
    askForCutover,
    async cutOver(id, timeoutMs) {
      await askForCutover(id);
      const isComplete = ({ status, cutover }: LiveMigrationDetail): boolean => {
        if (cutover.failure !== null) throw new Error(`the cutover failed: ${cutover.failure}`);
        return status === 'COMPLETE';
      };
      return until(id, 'COMPLETE', isComplete, timeoutMs);
    },
  };
}

/** The body of create and validate for the names of a pair. */
export function migrationRequest(projectId: string, dropDestinationData = false) {
  return {
    destination: { clusterName: DESTINATION_CLUSTER, groupId: projectId, hostnameSchemaType: '' },
    dropDestinationData,
    migrationHosts: [MIGRATION_HOST],
    source: {
      caCertificatePath: '',
      clusterName: SOURCE_DEPLOYMENT,
      groupId: SOURCE_PROJECT,
      managedAuthentication: true,
      password: '',
      ssl: false,
      username: '',
    },
  };
}

/** @throws {Error} with what the API said, unless it went well */
export async function expectBody<T>(
  answer: Promise<{ status: number; body: unknown }>,
): Promise<T> {
  const { status, body } = await answer;
  if (status >= 400) throw new Error(`the API answered ${status}: ${JSON.stringify(body)}`);
  return body as T;
}
