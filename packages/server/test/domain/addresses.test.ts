import { expect, test } from 'vitest';
import {
  addressList,
  mayConnectTo,
  normaliseCidr,
  peerAddress,
  plainAddress,
  singleAddress,
} from '../../src/domain/addresses.ts';

test.each([
  ['192.0.2.7', '192.0.2.7/32'],
  [' 192.0.2.0/24 ', '192.0.2.0/24'],
  ['2001:DB8:0:0::1', '2001:db8::1/128'],
  ['2001:db8::/32', '2001:db8::/32'],
  ['192.0.2.0/33', null],
  ['192.0.2.0/', null],
  ['192.0.2.0/1/2', null],
  ['example.com', null],
  ['', null],
  ['::ffff:192.0.2.7', '192.0.2.7/32'],
  ['::FFFF:C000:207', '192.0.2.7/32'],
  ['::ffff:192.0.2.0/120', '192.0.2.0/24'],
  ['::ffff:0.0.0.0/96', '0.0.0.0/0'],
  ['::ffff:0:0/90', null],
  ['0:0:0:0:0:0:0:0/0', '::/0'],
  ['fe80::1%eth0', null],
  ['192.0.2.07', null],
])('%s is normalised to %s', (text, expected) => {
  expect(normaliseCidr(text)).toBe(expected);
});

test.each([
  ['192.0.2.9', '192.0.2.9'],
  ['192.0.2.9:4711', '192.0.2.9'],
  ['[2001:DB8::5]', '2001:db8::5'],
  ['[2001:db8::5]:443', '2001:db8::5'],
  ['::ffff:192.0.2.9', '192.0.2.9'],
  ['2001:db8::5:443', '2001:db8::5:443'],
  ['192.0.2:80', 'unknown'],
  ['_hidden', 'unknown'],
  ['', 'unknown'],
  ['x'.repeat(10_000), 'unknown'],
])('a peer that is told as %s is %s', (text, address) => {
  expect(peerAddress(text)).toBe(address);
});

test('a block of one address is that address', () => {
  expect(singleAddress('192.0.2.7/32')).toBe('192.0.2.7');
  expect(singleAddress('192.0.2.0/24')).toBeNull();
  expect(singleAddress('2001:db8::1/128')).toBe('2001:db8::1');
});

test('a list knows IPv4 addresses in either dress', () => {
  const list = addressList(['192.0.2.0/24', '2001:db8::/32']);
  expect(list.contains('::ffff:192.0.2.9')).toBe(true);
  expect(list.contains('2001:db8:1::1')).toBe(true);
  expect(list.contains('198.51.100.1')).toBe(false);
  expect(list.contains('host')).toBe(false);
  expect(plainAddress('fe80::1%eth0')).toBe('fe80::1');
  expect(plainAddress('::ffff:c000:209')).toBe('192.0.2.9');
});

test('a list of all IPv6 addresses lets no IPv4 address in, in either dress', () => {
  const list = addressList(['::/0']);
  expect(list.contains('2001:db8::1')).toBe(true);
  expect(list.contains('192.0.2.9')).toBe(false);
  expect(list.contains('::ffff:192.0.2.9')).toBe(false);
  expect(addressList(['0.0.0.0/0']).contains('2001:db8::1')).toBe(false);
});

test.each([
  '127.0.0.1',
  '127.8.8.8',
  '0.0.0.0',
  '169.254.169.254',
  '::1',
  '::',
  'fe80::1',
  '::ffff:127.0.0.1',
  'fd00:ec2::254',
])('C13: %s needs to be allowed', (address) => {
  expect(mayConnectTo(address, addressList([]))).toBe(false);
  expect(mayConnectTo(address, addressList(['0.0.0.0/0', '::/0']))).toBe(true);
});

test('C13: other addresses are open', () => {
  for (const address of ['10.0.0.1', '192.168.1.1', '203.0.113.5', '2001:db8::1']) {
    expect(mayConnectTo(address, addressList([]))).toBe(true);
  }
});
