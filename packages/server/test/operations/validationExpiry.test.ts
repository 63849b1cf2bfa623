import { expect, test } from 'vitest';
import { ValidationExpiry } from '../../src/operations/validationExpiry.ts';
import { textOf } from '../support/api.ts';
import { operationContext } from '../support/endpoints.ts';
import { linkHost, makeDestination, migrationBody } from '../support/link.ts';
import { startTestServer } from '../support/server.ts';

test('a validation that its host never answers fails after a while, not before', async () => {
  await using server = await startTestServer();
  const { linkId } = await linkHost(server);
  const groupId = await makeDestination(server);
  const base = `/api/atlas/v2/groups/${groupId}/liveMigrations/validate`;
  const created = await server.api.call('POST', base, { body: migrationBody(groupId) });
  const path = `${base}/${textOf(created, '_id')}`;
  const { changed } = server.hooks;
  changed.length = 0;
  const expiry = new ValidationExpiry(operationContext(server));
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
