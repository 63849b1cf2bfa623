import { expect, test } from 'vitest';
import { addressList } from '../../src/domain/addresses.ts';
import { ValidationExpiry } from '../../src/operations/validationExpiry.ts';
import { textOf } from '../support/api.ts';
import { linkHost, makeDestination, migrationBody } from '../support/link.ts';
import { startTestServer } from '../support/server.ts';

test('a validation that its host never answers fails after a while, not before', async () => {
  await using server = await startTestServer();
  const { linkId } = await linkHost(server);
  const groupId = await makeDestination(server);
  const base = `/api/atlas/v2/groups/${groupId}/liveMigrations/validate`;
  const created = await server.api.call('POST', base, { body: migrationBody(groupId) });
  const path = `${base}/${textOf(created, '_id')}`;
  const changed: string[] = [];
  const expiry = new ValidationExpiry({
    store: server.store,
    fence: {
      settle: async () => null,
      settleMigration: async () => null,
      holdMigration: async () => {},
    },
    probe: { test: () => server.hooks.test() },
    work: { changed: (id) => void changed.push(id) },
    publicUrl: () => server.url,
    allowedNetworks: addressList([]),
    removalWaitMs: 1000,
    log: console,
  });
  await expiry.expire(new Date(Date.now() + 9 * 60_000));
  expect((await server.api.call('GET', path)).json).toMatchObject({ status: 'PENDING' });
  expect(changed).toEqual([]);
  await expiry.expire(new Date(Date.now() + 11 * 60_000));
  expect((await server.api.call('GET', path)).json).toMatchObject({
    status: 'FAILED',
    errorMessage: expect.stringContaining('did not answer') as string,
  });
  expect(changed).toEqual([linkId]);
});
