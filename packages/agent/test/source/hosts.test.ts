import { expect, test } from 'vitest';

import { describeMongoError, hostsOf } from '../../src/source/connection.ts';
import { redact } from '../../src/redact.ts';

test('hosts are named without credentials, path or options', () => {
  expect(hostsOf('mongodb://user:p%40ss@a:27017,b,[::1]:27018/admin?replicaSet=rs0')).toBe(
    'a:27017,b,[::1]:27018',
  );
  expect(hostsOf('mongodb+srv://cluster.example.com')).toBe('cluster.example.com');
});

test.each([
  'mongodb://user:hun@ter2@db.example.com/',
  'mongodb://user:hun/ter2@db.example.com/',
  'mongodb://user:hun@ter2/@db.example.com/',
  'mongodb://user:hunter2',
])('no part of a password is taken for a host: %s', (uri) => {
  expect(hostsOf(uri)).toBe('the given connection string');
  const described = describeMongoError(new Error(`cannot parse ${uri}`), uri);
  expect(described).not.toContain('ter2');
});

test('the log shows no part of a password that is not escaped', () => {
  const line = '{"uri":"mongodb://user:hun@te/r2@db.example.com/","other":"a@b"}';
  expect(redact(line)).toBe('{"uri":"mongodb://***@db.example.com/","other":"a@b"}');
});
