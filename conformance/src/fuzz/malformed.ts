import fc from 'fast-check';

/** Bytes that are no request, or one that proxies and servers could read differently. */

const PATH = '/api/atlas/v1.0/orgs';
const START = `GET ${PATH} HTTP/1.1\r\nHost: x\r\n`;
const POST = `POST ${PATH} HTTP/1.1\r\nHost: x\r\n`;

const KNOWN: readonly string[] = [
  '',
  '\r\n\r\n',
  'GET',
  'GET /\r\n\r\n',
  'GET / HTTP/0.9\r\n\r\n',
  'GET / HTTP/9.9\r\nHost: x\r\n\r\n',
  `GET ${PATH} HTTP/1.0\r\n\r\n`,
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0',
  '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
  'FOO / HTTP/1.1\r\nHost: x\r\n\r\n',
  'get / HTTP/1.1\r\nHost: x\r\n\r\n',
  'CONNECT example.invalid:443 HTTP/1.1\r\nHost: x\r\n\r\n',
  'OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n',
  `GET ${PATH} HTTP/1.1\r\n\r\n`,
  `GET ${PATH} HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n`,
  `GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n`,
  `GET /\xff\xfe HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
  `GET /a b HTTP/1.1\r\nHost: x\r\n\r\n`,
  `GET ${PATH}\nHTTP/1.1\nHost: x\n\n`,
  `${START}X: a\0b\r\n\r\n`,
  `${START}X: a\n folded\r\n\r\n`,
  `${START}X : space\r\n\r\n`,
  `${START}: empty\r\n\r\n`,
  `${START}NoColon\r\n\r\n`,
  `${START}${'X: y\r\n'.repeat(3000)}\r\n`,
  `${START}X: ${'y'.repeat(100_000)}\r\n\r\n`,
  `GET /${'a'.repeat(100_000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
  `${POST}Content-Length: 5\r\nContent-Length: 6\r\n\r\n123456`,
  `${POST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
  `${POST}Content-Length: -5\r\n\r\n`,
  `${POST}Content-Length: 1e3\r\n\r\n`,
  `${POST}Content-Length: 99999999999999999999\r\n\r\n`,
  `${POST}Content-Length: 100\r\n\r\nshort`,
  `${POST}Transfer-Encoding: chunked\r\n\r\nzz\r\n`,
  `${POST}Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nx\r\n0\r\n\r\n`,
  `${POST}Transfer-Encoding: chunked\r\n\r\n5\r\nab`,
  `${POST}Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n`,
  `${POST}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`,
  `${POST}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\nX: trailer\r\n\r\n`,
  `${START}\r\n${START}\r\n${START}Connection: close\r\n\r\n`,
  `${POST}Content-Length: 0\r\nConnection: close\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n`,
  `${START}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n`,
  `POST /api/linkspan/push/v1/hosts HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}`,
  `POST /api/linkspan/push/v1/sessions/x/documents HTTP/1.1\r\nHost: x\r\nConnection: close\r\nLinkspan-Push-Version: 1\r\nAuthorization: Bearer a.b\r\nContent-Length: 4\r\n\r\n\0\0\0\0`,
];

/** Those, and those with some bytes of them changed. */
export const malformedRequests: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(...KNOWN),
  fc
    .tuple(
      fc.constantFrom(...KNOWN),
      fc.nat(400),
      fc.uint8Array({ maxLength: 8 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
    )
    .map(([text, at, by]) => text.slice(0, at) + by + text.slice(at + by.length)),
  fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
);
