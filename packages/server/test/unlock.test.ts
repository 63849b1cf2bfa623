import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { initOrganization } from '../src/init.ts';
import { settingsOf } from '../src/operations/organizationSettings.ts';
import * as events from '../src/store/events.ts';
import { openStore } from '../src/store/open.ts';
import * as organizations from '../src/store/organizations.ts';
import { StoreLockedError } from '../src/store/store.ts';
import { UnlockError, unlockOrganization } from '../src/unlock.ts';

const dataDirectory = mkdtempSync(join(tmpdir(), 'linkspan-unlock-'));
const options = { dataDirectory, masterKeyFile: null };
afterAll(() => rmSync(dataDirectory, { recursive: true }));

test('an operator lets credentials without an access list in again, while no server runs', async () => {
  const { organization } = await initOrganization(options, 'Organization');
  const { id } = organization;
  {
    await using store = await openStore(options);
    const settings = { apiAccessListRequired: true, genAIFeaturesEnabled: false };
    await organizations.setSettings(store.db, id, JSON.stringify(settings));
    await expect(unlockOrganization(options, id)).rejects.toThrow(StoreLockedError);
  }
  expect(await unlockOrganization(options, id)).toEqual({ ...organization, changed: true });
  expect(await unlockOrganization(options, id)).toEqual({ ...organization, changed: false });
  await expect(unlockOrganization(options, 'nothing')).rejects.toThrow(UnlockError);
  const elsewhere = join(dataDirectory, 'elsewhere');
  await expect(
    unlockOrganization({ dataDirectory: elsewhere, masterKeyFile: null }, id),
  ).rejects.toThrow(`there is no store in ${elsewhere}`);
  expect(existsSync(elsewhere)).toBe(false);
  await using store = await openStore(options);
  const row = await organizations.find(store.db, id);
  expect(row === undefined ? null : settingsOf(row)).toMatchObject({
    apiAccessListRequired: false,
    genAIFeaturesEnabled: false,
  });
  const recorded = await events.listByOrganization(store.db, id);
  expect(recorded.filter(({ event_type: type }) => type === 'ORG_SETTINGS_UPDATED')).toMatchObject([
    { api_key_id: null, remote_address: null, target_id: id },
  ]);
});
