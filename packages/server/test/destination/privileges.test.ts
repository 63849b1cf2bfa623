import { expect, test } from 'vitest';

import { missingActions } from '../../src/destination/validation/privileges.ts';

const ANY = { db: '', collection: '' };
const READ = ['find', 'listCollections', 'listIndexes', 'collStats', 'dbStats'];
const WRITE = ['insert', 'update', 'remove', 'createCollection', 'dropCollection', 'createIndex'];
const READ_WRITE = {
  resource: ANY,
  actions: [...READ, ...WRITE, 'dropIndex', 'renameCollectionSameDB'],
};
const DB_ADMIN = {
  resource: ANY,
  actions: ['collMod', 'bypassDocumentValidation', 'dropDatabase'],
};
const MONITOR = {
  resource: { cluster: true },
  actions: ['inprog', 'serverStatus', 'listDatabases'],
};

test('the roles that the documentation names grant all that pushing needs, and none can be left out', () => {
  expect(missingActions([READ_WRITE, DB_ADMIN, MONITOR])).toEqual([]);
  expect(missingActions([{ resource: { anyResource: true }, actions: ['anyAction'] }])).toEqual([]);
  expect(missingActions([READ_WRITE, DB_ADMIN])).toEqual(['inprog']);
  expect(missingActions([READ_WRITE, MONITOR])).toEqual(['collMod', 'bypassDocumentValidation']);
  expect(missingActions([DB_ADMIN, MONITOR])).toContain('insert');
});

test('what is granted on one database says nothing of all', () => {
  const one = { ...READ_WRITE, resource: { db: 'app', collection: '' } };
  expect(missingActions([one, DB_ADMIN, MONITOR])).toContain('insert');
  const notCluster = { ...MONITOR, resource: ANY };
  expect(missingActions([READ_WRITE, DB_ADMIN, notCluster])).toEqual(['inprog']);
});
