import fc from 'fast-check';
import { damaged, damagedText, toByteText } from './damage.ts';
import type { ApiDocument, DocumentedOperation, Parameter } from './document.ts';
import { isTokenName, token } from './tokens.ts';
import { valueOf } from './values.ts';

/** Who a request claims to come from. */
export type Caller = 'digest' | 'bearer' | 'stranger' | 'nobody';

/**
 * A request that has not been sent. Texts may hold tokens. Everything that can be wrong with it was
 * put there on purpose, so what the answer must be follows from it.
 */
export interface FuzzRequest {
  readonly operationId: string;
  readonly caller: Caller;
  readonly method: string;
  readonly target: string;
  readonly headers: readonly (readonly [string, string])[];
  /** One character a byte. */
  readonly body: string | null;
  readonly isChunked: boolean;
  /** True if method and path are those of the operation. */
  readonly isOperation: boolean;
  /** False where HTTP itself is broken, so that the connection may end without an answer. */
  readonly isWellFormed: boolean;
}

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND'];

/** Most often the first, else the second. */
function mostly<T>(usual: fc.Arbitrary<T>, other: fc.Arbitrary<T>, oneIn: number) {
  return fc.oneof({ arbitrary: usual, weight: oneIn - 1 }, { arbitrary: other, weight: 1 });
}

/** Requests around one operation: right ones, and wrong ones of every kind. */
export function requestsOf(
  document: ApiDocument,
  operation: DocumentedOperation,
): fc.Arbitrary<FuzzRequest> {
  const { id, method, path, parameters, bodies } = operation;
  const pathParameters = parameters.filter((parameter) => parameter.in === 'path');
  const queryParameters = parameters.filter((parameter) => parameter.in === 'query');
  return fc
    .record({
      caller: callers,
      method: mostly(fc.constant(method), fc.constantFrom(...METHODS), 14),
      values: fc.tuple(...pathParameters.map((one) => pathValue(document, one))),
      shape: mostly(fc.constant('intact'), fc.constantFrom(...SHAPES), 14),
      query: queryOf(document, queryParameters),
      media: mediaOf(operation),
      contentType: mostly(
        fc.constantFrom(...bodies.keys(), 'application/json'),
        fc.constantFrom(...TYPES),
        8,
      ),
      further: mostly(fc.constant([]), furtherHeaders, 4),
      body: bodyOf(document, operation),
      isChunked: mostly(fc.constant(false), fc.constant(true), 5),
    })
    .map((made): FuzzRequest => {
      const filled = pathParameters.reduce(
        (text, { name }, index) => text.replace(`{${name}}`, () => made.values[index] ?? ''),
        path,
      );
      const { body } = made;
      return {
        operationId: id,
        caller: made.caller,
        method: made.method,
        target: reshape(filled, made.shape) + made.query,
        headers: [
          ...made.media,
          ...(body === null ? [] : [['Content-Type', made.contentType] as const]),
          ...made.further,
        ],
        body,
        isChunked: body !== null && made.isChunked,
        isOperation: made.method === method && made.shape === 'intact',
        isWellFormed: !made.further.some(([name]) => BREAKING.has(name)),
      };
    });
}

const callers = fc.oneof(
  { arbitrary: fc.constant<Caller>('digest'), weight: 6 },
  { arbitrary: fc.constant<Caller>('bearer'), weight: 6 },
  { arbitrary: fc.constant<Caller>('stranger'), weight: 1 },
  { arbitrary: fc.constant<Caller>('nobody'), weight: 1 },
);

const WRONG_SEGMENTS = [
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

function pathValue(document: ApiDocument, { name, schema }: Parameter): fc.Arbitrary<string> {
  const right = isTokenName(name) ? fc.constant(token(name)) : escaped(valueOf(document, schema));
  const foreign =
    name === 'orgId' ? token('victimOrgId') : name === 'groupId' ? token('victimGroupId') : null;
  const wrong = fc.oneof(
    fc.constantFrom(...WRONG_SEGMENTS, ...(foreign === null ? [] : [foreign, foreign, foreign])),
    escaped(valueOf(document, schema)),
    escaped(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 30 })),
  );
  return mostly(right, wrong, 5);
}

function escaped(value: fc.Arbitrary<unknown>): fc.Arbitrary<string> {
  return value.map((text) => encodeURIComponent(String(text).toWellFormed()));
}

const SHAPES = ['slash', 'double', 'dots', 'case', 'absolute', 'semicolon', 'fragment', 'longer'];

function reshape(path: string, shape: string): string {
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

const WRONG_QUERIES = [
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

function queryOf(
  document: ApiDocument,
  parameters: readonly Parameter[],
): fc.Arbitrary<string> {
  const values = Object.fromEntries(
    parameters.map(({ name, schema }) => [name, valueOf(document, schema)]),
  );
  const few = fc
    .record(values, { requiredKeys: [] })
    .chain((all) => fc.subarray(Object.entries(all), { maxLength: 3 }))
    .map((entries) => {
      const query = entries
        .flatMap(([name, value]) => (Array.isArray(value) ? value : [value]).map((one) => [name, one]))
        .map(([name, value]) => `${name}=${encodeURIComponent(String(value).toWellFormed())}`);
      return query.length === 0 ? '' : `?${query.join('&')}`;
    });
  const enveloped = fc.constantFrom('?envelope=true', '?pretty=true', '?envelope=true&pretty=true');
  return fc.oneof(
    { arbitrary: fc.constant(''), weight: 4 },
    { arbitrary: few, weight: 3 },
    { arbitrary: enveloped, weight: 1 },
    { arbitrary: fc.constantFrom(...WRONG_QUERIES), weight: 1 },
  );
}

const WRONG_MEDIA: readonly (readonly (readonly [string, string])[])[] = [
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

function mediaOf(operation: DocumentedOperation) {
  const documented = [...operation.responses].flatMap(([status, bodies]) =>
    status < 300 ? [...bodies.keys()] : [],
  );
  const right = documented.length === 0 ? ['application/json'] : documented;
  return mostly(
    fc.constantFrom(...right.map((type) => [['Accept', type] as const])),
    fc.constantFrom(...WRONG_MEDIA),
    8,
  );
}

const TYPES = [
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
const BREAKING = new Set(['Upgrade', 'Transfer-Encoding', 'Content-Length', 'Host', 'X-\u00e9']);

const FURTHER: readonly (readonly [string, string])[] = [
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

const furtherHeaders = fc.array(fc.constantFrom(...FURTHER), { minLength: 1, maxLength: 3 });

/** A body, or null for none. */
function bodyOf(
  document: ApiDocument,
  { bodies }: DocumentedOperation,
): fc.Arbitrary<string | null> {
  if (bodies.size === 0) {
    const any = damagedText(fc.constant('{"name":"x"}'));
    return mostly<string | null>(fc.constant(null), any, 8);
  }
  const form = bodies.get('application/x-www-form-urlencoded');
  const written = form === undefined ? JSON.stringify : asForm;
  const value = fc.oneof(...[...bodies.values()].map((schema) => valueOf(document, schema)));
  const text = value.map((one) => written(one) ?? 'null');
  return fc.oneof(
    { arbitrary: text.map(toByteText), weight: 6 },
    {
      arbitrary: damaged(value).map((one) => toByteText(written(one) ?? 'null')),
      weight: 5,
    },
    { arbitrary: damagedText(text), weight: 1 },
    { arbitrary: fc.constant(null), weight: 1 },
    { arbitrary: fc.constant(`"${'x'.repeat(1024 * 1024)}"`), weight: 0.05 },
  );
}

function asForm(value: unknown): string {
  return new URLSearchParams(value as Record<string, string>).toString();
}
