import { NO_POSTGRESQL } from '@linkspan/testkit/postgresql.ts';
import { describe, expect, test } from 'vitest';
import { newId } from '../../src/domain/ids.ts';
import { timestamp } from '../../src/domain/time.ts';
import * as liveMigrations from '../../src/store/liveMigrations.ts';
import { declareClusterGone } from '../../src/store/maintenance/clusterGone.ts';
import * as pushSessions from '../../src/store/pushSessions.ts';
import { textOf } from '../support/api.ts';
import { linkHost, makeDestination, migrationBody } from '../support/link.ts';
import { hasPostgreSQL, newDatabase } from '../support/postgresql.ts';
import { startTestServer } from '../support/server.ts';

describe.skipIf(!hasPostgreSQL)(
  hasPostgreSQL ? 'while nodes run' : `while nodes run: ${NO_POSTGRESQL}`,
  () => {
    test('I1: a cluster that is declared gone keeps the sessions that a node still holds', async () => {
      await using database = await newDatabase();
      await using server = await startTestServer({}, database.url);
      const { linkId } = await linkHost(server);
      const groupId = await makeDestination(server);
      const path = `/api/atlas/v2/groups/${groupId}/liveMigrations`;
      const made = await server.api.call('POST', path, { body: migrationBody(groupId) });
      const id = textOf(made, '_id');
      const { store } = server;
      const row = (await liveMigrations.find(store.db, id))!;
      const session = {
        migration_id: id,
        link_id: linkId,
        cluster_id: row.cluster_id,
        secret_hash: Buffer.alloc(32),
        state: 'OPEN' as const,
        connection_name: 'linkspan-test',
        opened_at: timestamp(),
      };
      const [held, left] = [newId(), newId()];
      for (const [sessionId, epoch, termMs] of [
        [held, 1, 600_000],
        [left, 2, -1],
      ] as const) {
        const lease = { dialect: store.dialect, nodeId: newId(), termMs };
        await pushSessions.insert(store.db, { ...session, id: sessionId, epoch }, lease);
      }
      await liveMigrations.setCanceled(store.db, id, 'test', true, timestamp());
      const options = {
        dataDirectory: server.dataDirectory,
        masterKeyFile: null,
        url: database.url,
      };
      expect(await declareClusterGone(options, row.cluster_id)).toEqual({
        clusterName: 'target',
        ended: 1,
        held: 1,
        kept: 1,
      });
      expect(await pushSessions.isOpen(store.db, held)).toBe(true);
      expect(await pushSessions.isOpen(store.db, left)).toBe(false);
    });
  },
);
