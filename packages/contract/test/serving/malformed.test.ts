import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { answerMalformed } from '../../src/serving/malformed.ts';

async function answerOf(code: string | undefined): Promise<string> {
  await using server = createServer((socket) => answerMalformed(socket, code)).listen(0);
  await once(server, 'listening');
  const client = connect((server.address() as AddressInfo).port);
  return await text(client);
}

test.each([
  [undefined, 'HTTP/1.1 400 Bad Request', 'VALIDATION_ERROR'],
  ['HPE_INVALID_METHOD', 'HTTP/1.1 400 Bad Request', 'VALIDATION_ERROR'],
  [
    'HPE_HEADER_OVERFLOW',
    'HTTP/1.1 431 Request Header Fields Too Large',
    'REQUEST_HEADERS_TOO_LARGE',
  ],
  ['ERR_HTTP_REQUEST_TIMEOUT', 'HTTP/1.1 408 Request Timeout', 'REQUEST_TIMEOUT'],
])('what is no whole request is answered: %s with %s', async (code, statusLine, errorCode) => {
  const answer = await answerOf(code);
  const [head = '', body = ''] = answer.split('\r\n\r\n');
  const [first, ...headers] = head.split('\r\n');
  expect(first).toBe(statusLine);
  expect(headers).toContain(`X-Error-Code: ${errorCode}`);
  expect(headers).toContain(`Content-Length: ${Buffer.byteLength(body)}`);
  expect(JSON.parse(body)).toMatchObject({ errorCode });
});
