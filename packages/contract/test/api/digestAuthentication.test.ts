import { expect, test } from 'vitest';

import {
  digestHa1,
  digestResponse,
  parseDigestParameters,
} from '../../src/api/digestAuthentication.ts';

test('the response equals the example of RFC 7616, 3.9.1', () => {
  const ha1 = digestHa1('Mufasa', 'http-auth@example.org', 'Circle of Life');
  const response = digestResponse({
    ha1,
    nonce: '7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v',
    nonceCount: '00000001',
    clientNonce: 'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ',
    method: 'GET',
    uri: '/dir/index.html',
  });
  expect(response).toBe('8ca523f5e9506fed4657c9700eebdbec');
});

test('parameters are read quoted, escaped and plain', () => {
  const parameters = parseDigestParameters(
    'Digest realm="MMS Public API", domain="", nonce="a+b/c=", algorithm=MD5, qop="auth", stale=false, x="a\\"b"',
  );
  expect(Object.fromEntries(parameters ?? [])).toEqual({
    realm: 'MMS Public API',
    domain: '',
    nonce: 'a+b/c=',
    algorithm: 'MD5',
    qop: 'auth',
    stale: 'false',
    x: 'a"b',
  });
});

test.each(['Basic abc', 'Digest realm="x', 'Digest nonce="1", nonce="2"', 'Digest ,,'])(
  'malformed: %s',
  (header) => {
    expect(parseDigestParameters(header)).toBeNull();
  },
);
