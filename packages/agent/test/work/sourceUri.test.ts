import type { Source } from '@linkspan/contract/push/work.ts';
import { expect, test } from 'vitest';

import { redact } from '../../src/redact.ts';
import { sourceUri } from '../../src/work/sourceUri.ts';

const PROJECT = 'a'.repeat(24);
const PROJECTS = [
  {
    id: PROJECT,
    name: 'Shop',
    deployments: [
      {
        name: 'rs0',
        uri: 'mongodb://own:key@db1:27017,db2:27017/?replicaSet=rs0',
        allowWriteBlock: false,
      },
    ],
  },
];
const MANAGED: Source = {
  projectId: PROJECT,
  clusterName: 'rs0',
  managedAuthentication: true,
  username: null,
  password: null,
  ssl: false,
  caCertificatePath: null,
};

test('managed authentication leaves the connection string as it is configured', () => {
  expect(sourceUri(PROJECTS, MANAGED)).toBe(PROJECTS[0]?.deployments[0]?.uri);
});

test('credentials of a request replace the configured ones, encoded', () => {
  const source = {
    ...MANAGED,
    managedAuthentication: false,
    username: 'us er@x',
    password: 'p:/?#[]@%41&=é',
    ssl: true,
    caCertificatePath: '/etc/ca.pem',
  };
  const uri = new URL(sourceUri(PROJECTS, source).replace('db1:27017,db2:27017', 'db1'));
  expect(decodeURIComponent(uri.username)).toBe(source.username);
  expect(decodeURIComponent(uri.password)).toBe(source.password);
  expect(Object.fromEntries(uri.searchParams)).toEqual({
    replicaSet: 'rs0',
    tls: 'true',
    tlsCAFile: '/etc/ca.pem',
  });
  expect(redact(`cannot use ${sourceUri(PROJECTS, source)} here`)).toBe(
    'cannot use mongodb://***@db1:27017,db2:27017/?replicaSet=rs0&tls=true&tlsCAFile=%2Fetc%2Fca.pem here',
  );
});

test('an unknown source is named', () => {
  expect(() => sourceUri(PROJECTS, { ...MANAGED, clusterName: 'rs9' })).toThrow(
    `the project ${PROJECT} has no deployment "rs9"`,
  );
  expect(() => sourceUri([], MANAGED)).toThrow('is not in the configuration');
});
