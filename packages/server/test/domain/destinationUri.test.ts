import { expect, test } from 'vitest';
import { isSameUserAtSameCluster } from '../../src/domain/destinationUri.ts';

const BASE = 'mongodb://writer:old@one.example.com,two.example.com:27018/?replicaSet=rs0&tls=true';

test.each([
  ['another password', BASE.replace('old', 'new'), true],
  [
    'a default port, and upper case',
    BASE.replace('one.example.com', 'ONE.example.com:27017'),
    true,
  ],
  [
    'hosts in another order',
    BASE.replace(/@[^/]*/, '@two.example.com:27018,one.example.com'),
    true,
  ],
  [
    'other authorities and mechanisms',
    `${BASE}&linkspanTlsCA=eA&authMechanism=SCRAM-SHA-256`,
    true,
  ],
  ['the default authSource, named', `${BASE}&authsource=admin`, true],
  ['another authSource', `${BASE}&authSource=app`, false],
  ['another database to sign in to', BASE.replace('/?', '/app?'), false],
  ['another user', BASE.replace('writer', 'other'), false],
  ['no user', BASE.replace('writer:old@', ''), false],
  ['another host', BASE.replace('two', 'three'), false],
  ['another port', BASE.replace('27018', '27019'), false],
  ['one host less', BASE.replace(',two.example.com:27018', ''), false],
  ['another replica set', BASE.replace('rs0', 'rs1'), false],
  ['no replica set', BASE.replace('replicaSet=rs0&', ''), false],
  ['a direct connection', `${BASE}&directConnection=true`, false],
  ['an SRV record', 'mongodb+srv://writer:old@one.example.com/?replicaSet=rs0', false],
])('%s', (_what, other, isSame) => {
  expect(isSameUserAtSameCluster(BASE, other)).toBe(isSame);
});
