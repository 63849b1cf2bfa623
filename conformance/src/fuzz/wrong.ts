/** What is wrong on purpose in requests, each for its own reason. */

import type { Headers } from './requests.ts';

export const METHODS = [
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
  'TRACE',
  'PROPFIND',
];

export const WRONG_SEGMENTS = [
  '',
  '%00',
  '%',
  '%zz',
  '%c0%80',
  '%ff',
  '..',
  '%2e%2e',
  '%2F',
  '.',
  '*',
  '__proto__',
  'constructor',
  'null',
  'A'.repeat(24),
  '0'.repeat(24),
  'a'.repeat(999),
  'a'.repeat(1001),
  '%F0%9F%92%A9',
  `'%20OR%20'1'='1`,
  '{orgId}',
  '127.0.0.1%2F32',
  '::%2F0',
];

export const WRONG_SHAPES = [
  'slash',
  'double',
  'dots',
  'case',
  'absolute',
  'semicolon',
  'fragment',
  'longer',
];

/** The path in another shape. */
export function reshape(path: string, shape: string): string {
  switch (shape) {
    case 'slash':
      return `${path}/`;
    case 'double':
      return path.replace('/api/', '//api//');
    case 'dots':
      return path.replace('/api/', '/api/./x/../');
    case 'case':
      return path.replace('/api/', '/API/');
    case 'absolute':
      return `http://127.0.0.1${path}`;
    case 'semicolon':
      return `${path};v=1`;
    case 'fragment':
      return `${path}#x`;
    case 'longer':
      return `${path}/${'x'.repeat(4000)}`;
    default:
      return path;
  }
}

export const WRONG_QUERIES = [
  '?',
  '?&&&=',
  '?%zz=%zz',
  '?envelope=true&envelope=false',
  '?envelope=maybe',
  '?pretty=1',
  '?pageNum=0',
  '?pageNum=-1',
  '?pageNum=99999999999999999999',
  '?itemsPerPage=501',
  '?itemsPerPage=1e3',
  '?includeCount=TRUE',
  '?__proto__=1&constructor=2',
  '?unknown=1',
  `?${'a=1&'.repeat(500)}`,
  '?envelope[]=true',
  '?name=%00',
  '?minDate=yesterday',
  '?maxDate=9999-99-99T99:99:99Z',
];

export const WRONG_MEDIA: readonly Headers[] = [
  [],
  [['Accept', '*/*']],
  [['Accept', '']],
  [['Accept', 'application/json']],
  [['Accept', 'application/vnd.atlas.2022-01-01+json']],
  [['Accept', 'application/vnd.atlas.2099-12-31+json']],
  [['Accept', 'application/vnd.atlas.2023-02-30+json']],
  [['Accept', 'application/vnd.atlas.2024-05-30+gzip']],
  [['Accept', 'text/html, application/vnd.atlas.2023-11-15+json;q=0.5']],
  [['Accept', ','.repeat(2000)]],
  [
    ['Accept', 'application/vnd.atlas.2023-01-01+json'],
    ['Accept', 'application/vnd.atlas.2024-05-30+json'],
  ],
];

export const WRONG_TYPES = [
  'text/plain',
  'application/json; charset=utf-16',
  'APPLICATION/JSON',
  'application/vnd.atlas.2024-05-30+json',
  'application/vnd.atlas.+json',
  'application/x-www-form-urlencoded',
  'multipart/form-data; boundary=x',
  'application/xml',
  '',
  '/',
  'a'.repeat(3000),
];

/** Headers after which a server may well close the connection and say nothing. */
export const BREAKING_HEADERS = new Set([
  'Upgrade',
  'Transfer-Encoding',
  'Content-Length',
  'Host',
  'X-\u00e9',
  'X-Long',
]);

export const FURTHER_HEADERS: readonly (readonly [string, string])[] = [
  ['If-Match', '"x"'],
  ['If-Match', '*'],
  ['If-None-Match', '*'],
  ['If-Modified-Since', 'Sat, 01 Jan 2000 00:00:00 GMT'],
  ['If-Unmodified-Since', 'never'],
  ['Range', 'bytes=0-1'],
  ['Expect', '100-continue'],
  ['Expect', 'something'],
  ['Accept-Encoding', 'gzip, br, zstd, *;q=0'],
  ['Accept-Charset', 'utf-7'],
  ['Content-Encoding', 'gzip'],
  ['X-Forwarded-For', '203.0.113.7, ::1'],
  ['X-Forwarded-Host', 'evil.example'],
  ['Forwarded', 'for=203.0.113.7'],
  ['X-HTTP-Method-Override', 'DELETE'],
  ['Authorization', 'Basic Og=='],
  ['Authorization', 'Bearer '],
  ['Authorization', 'Bearer eyJhbGciOiJub25lIn0.e30.'],
  ['Authorization', `Bearer ${'a'.repeat(4000)}`],
  ['Authorization', 'Digest username="", nonce="", uri="/", response=""'],
  ['Authorization', 'Digest username="\\"'],
  ['Authorization', '\u00ff\u00fe'],
  ['Cookie', 'a=b; '.repeat(50)],
  ['Origin', 'https://evil.example'],
  ['Linkspan-Session', 'a.b'],
  ['X-Long', 'x'.repeat(20_000)],
  ['X-Folded', 'a, '.repeat(1000)],
  ['Upgrade', 'websocket'],
  ['Upgrade', 'h2c'],
  ['Host', ''],
  ['Host', 'other.example'],
  ['Transfer-Encoding', 'gzip'],
  ['Content-Length', '5'],
  ['Content-Length', '-1'],
  ['X-\u00e9', 'x'],
];
