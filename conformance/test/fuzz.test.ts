import { beforeAll, describe, expect, test } from 'vitest';
import { ApiDocument, type DocumentedOperation } from '../src/fuzz/document.ts';
import { Leaks, Oracle, type SentRequest } from '../src/fuzz/oracle.ts';
import { describeSummary } from '../src/fuzz/report.ts';
import { fuzz } from '../src/fuzz/run.ts';
import { type Exchange, readAnswers } from '../src/fuzz/wire.ts';

test('nothing is found in a short run', async () => {
  const summary = await fuzz({ seconds: 12, seed: 20_261_125 });
  expect(describeSummary(summary)).toContain('findings: 0');
  expect(summary.requests).toBeGreaterThan(500);
});

describe('the fuzzer finds', () => {
  const SECRET = 'kept-for-ever';
  let operation: DocumentedOperation;
  let oracle: Oracle;
  beforeAll(() => {
    const error = {
      type: 'object',
      required: ['detail', 'error', 'errorCode'],
      properties: { errorCode: { enum: ['NAMED'] } },
    };
    const document = new ApiDocument({
      paths: {
        '/things': {
          get: {
            operationId: 'getThing',
            responses: {
              200: { content: { 'application/json': { schema: { type: 'integer' } } } },
              404: { content: { 'application/json': { schema: error } } },
            },
          },
        },
      },
      components: { schemas: { Error: error } },
    });
    const [only] = document.operations;
    if (only === undefined) throw new Error('no operation was read');
    operation = only;
    oracle = new Oracle(document, new Leaks(new Set([SECRET]), ['/srv/linkspan']));
  });

  const request: SentRequest = {
    operationId: 'getThing',
    caller: 'digest',
    method: 'GET',
    target: '/things',
    headers: [],
    body: null,
    isChunked: false,
    isOperation: true,
    isWellFormed: true,
    isForeign: false,
  };

  function answered(head: string, body = ''): Exchange {
    const bytes = Buffer.from(
      `HTTP/1.1 ${head}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
    const { answers, isWhole } = readAnswers(bytes, false);
    return { answers, end: isWhole ? 'closed' : 'malformed' };
  }
  const json = (status: string, body: string): Exchange =>
    answered(`${status}\r\ncontent-type: application/json\r\nx-error-code: NAMED`, body);
  const error = (detail: string, code = 'NAMED'): Exchange =>
    json('404 Not Found', JSON.stringify({ detail, error: 404, errorCode: code }));

  test('nothing in what is right', () => {
    expect(oracle.judge(operation, request, json('200 OK', '1'))).toBe(null);
    expect(oracle.judge(operation, request, error('not there'))).toBe(null);
  });

  test.each<[string, RegExp, () => Exchange, Partial<SentRequest>]>([
    ['a hang', /in time/, () => ({ answers: [], end: 'late' }), {}],
    ['silence', /without an answer/, () => ({ answers: [], end: 'closed' }), {}],
    ['a 500', /500/, () => json('500 Internal Server Error', '{}'), {}],
    ['a 503 that is not documented', /503/, () => json('503 Service Unavailable', '{}'), {}],
    ['a status that is not documented', /202/, () => json('202 Accepted', '1'), {}],
    ['a body of another shape', /integer/, () => json('200 OK', '"one"'), {}],
    ['a body that is no JSON', /no JSON/, () => json('200 OK', '<'), {}],
    ['another type', /content type/, () => answered('200 OK\r\ncontent-type: text/html', '1'), {}],
    ['a code that is in no catalogue', /errorCode/, () => error('not there', 'OTHER'), {}],
    ['a secret', /secret/, () => error(`it is ${SECRET}`), {}],
    ['a path', /linkspan/, () => error('no /srv/linkspan/store.db'), {}],
    ['a stack', /tells/, () => error('failed at read (/app/read.ts:3:7)'), {}],
    ['a hole in a text', /%s/, () => error('no %s'), {}],
    ["what is others'", /others/, () => json('200 OK', '1'), { isForeign: true }],
    ['an open door', /credentials/, () => json('200 OK', '1'), { caller: 'nobody' }],
  ])('%s', (_what, expected, came, change) => {
    expect(oracle.judge(operation, { ...request, ...change }, came())).toMatch(expected);
  });
});
