import fc from 'fast-check';
import { damaged, damagedText, toByteText } from './damage.ts';
import type { ApiDocument, Bodies, DocumentedOperation, Parameter } from './document.ts';
import { isTokenName, token } from './tokens.ts';
import { valueOf } from './values.ts';
import {
  BREAKING_HEADERS,
  FURTHER_HEADERS,
  METHODS,
  reshape,
  WRONG_MEDIA,
  WRONG_QUERIES,
  WRONG_SEGMENTS,
  WRONG_SHAPES,
  WRONG_TYPES,
} from './wrong.ts';

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
  readonly headers: Headers;
  /** One character a byte. */
  readonly body: string | null;
  readonly isChunked: boolean;
  /** True if method and path are those of the operation. */
  readonly isOperation: boolean;
  /** False where HTTP itself is broken, so that the connection may end without an answer. */
  readonly isWellFormed: boolean;
}

/** Names and values, in the order in which they are sent. */
export type Headers = readonly (readonly [string, string])[];

/** Most often the first, else the second. */
function mostly<T>(usual: fc.Arbitrary<T>, other: fc.Arbitrary<T>, oneIn: number) {
  return fc.oneof({ arbitrary: usual, weight: oneIn - 1 }, { arbitrary: other, weight: 1 });
}

/** Requests around one operation: right ones, and wrong ones of every kind. */
export function requestsOf(
  document: ApiDocument,
  operation: DocumentedOperation,
): fc.Arbitrary<FuzzRequest> {
  const { method, path, parameters, bodies } = operation;
  const pathParameters = parameters.filter((parameter) => parameter.in === 'path');
  const queryParameters = parameters.filter((parameter) => parameter.in === 'query');
  const rightPath = pathParameters.map((one) => rightSegment(document, one));
  const right = {
    caller: fc.constantFrom<Caller>('digest', 'bearer'),
    method: fc.constant(method),
    values: fc.tuple(...rightPath),
    shape: fc.constant('intact'),
    query: mostly(fc.constant(''), rightQuery(document, queryParameters), 3),
    sent: rightBody(document, operation),
    further: fc.constant<Headers>([]),
    isChunked: fc.constant(false),
  };
  const types = bodies.size === 0 ? ['application/json'] : [...bodies.keys()];
  const wildBodyOf = fc.record({
    media: mostly(rightMedia(operation), fc.constantFrom(...WRONG_MEDIA), 8),
    contentType: mostly(fc.constantFrom(...types), fc.constantFrom(...WRONG_TYPES), 8),
    body: wildBody(document, operation),
  });
  const wild = {
    caller: callers,
    method: mostly(right.method, fc.constantFrom(...METHODS), 14),
    values: fc.tuple(
      ...pathParameters.map((one, index) =>
        mostly(rightPath[index] ?? fc.constant(''), wrongSegment(document, one), 5),
      ),
    ),
    shape: mostly(right.shape, fc.constantFrom(...WRONG_SHAPES), 14),
    query: mostly(right.query, fc.constantFrom(...WRONG_QUERIES), 7),
    sent: fc.oneof({ arbitrary: right.sent, weight: 1 }, { arbitrary: wildBodyOf, weight: 2 }),
    further: mostly(right.further, furtherHeaders, 4),
    isChunked: mostly(right.isChunked, fc.constant(true), 5),
  };
  return fc
    .oneof({ arbitrary: fc.record(right), weight: 2 }, { arbitrary: fc.record(wild), weight: 5 })
    .map((made) => requestFrom(operation, path, pathParameters, made));
}

interface Parts {
  readonly caller: Caller;
  readonly method: string;
  /** Of the path, in its order. */
  readonly values: readonly string[];
  readonly shape: string;
  readonly query: string;
  readonly sent: SentBody;
  readonly further: Headers;
  readonly isChunked: boolean;
}

/** A body, or null for none, with the headers that go with it. */
interface SentBody {
  readonly media: Headers;
  readonly contentType: string;
  readonly body: string | null;
}

function requestFrom(
  { id, method }: DocumentedOperation,
  path: string,
  pathParameters: readonly Parameter[],
  parts: Parts,
): FuzzRequest {
  const { values, shape, further } = parts;
  const { media, contentType, body } = parts.sent;
  const filled = pathParameters.reduce(
    (text, { name }, index) => text.replace(`{${name}}`, () => values[index] ?? ''),
    path,
  );
  return {
    operationId: id,
    caller: parts.caller,
    method: parts.method,
    target: reshape(filled, shape) + parts.query,
    headers: [
      ...media,
      ...(body === null ? [] : [['Content-Type', contentType] as const]),
      ...further,
    ],
    body,
    isChunked: body !== null && parts.isChunked,
    // An empty part makes it another path.
    isOperation: parts.method === method && shape === 'intact' && !values.includes(''),
    isWellFormed: !further.some(([name]) => BREAKING_HEADERS.has(name)),
  };
}

const callers = fc.oneof(
  { arbitrary: fc.constant<Caller>('digest'), weight: 6 },
  { arbitrary: fc.constant<Caller>('bearer'), weight: 6 },
  { arbitrary: fc.constant<Caller>('stranger'), weight: 1 },
  { arbitrary: fc.constant<Caller>('nobody'), weight: 1 },
);

function rightSegment(document: ApiDocument, { name, schema }: Parameter): fc.Arbitrary<string> {
  if (!isTokenName(name)) return escaped(valueOf(document, schema));
  const usual = fc.constant(token(name));
  // Most of what a request can do to a project needs one with a cluster; some of it, one without.
  return name === 'groupId' ? mostly(usual, fc.constant(token('otherGroupId')), 8) : usual;
}

function wrongSegment(document: ApiDocument, { name, schema }: Parameter): fc.Arbitrary<string> {
  const foreign =
    name === 'orgId' ? token('victimOrgId') : name === 'groupId' ? token('victimGroupId') : null;
  return fc.oneof(
    fc.constantFrom(...WRONG_SEGMENTS, ...(foreign === null ? [] : [foreign, foreign, foreign])),
    escaped(valueOf(document, schema)),
    escaped(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 30 })),
  );
}

function escaped(value: fc.Arbitrary<unknown>): fc.Arbitrary<string> {
  return value.map((text) => encodeURIComponent(String(text).toWellFormed()));
}

function rightQuery(document: ApiDocument, parameters: readonly Parameter[]): fc.Arbitrary<string> {
  const values = Object.fromEntries(
    parameters.map(({ name, schema }) => [name, valueOf(document, schema)]),
  );
  return fc
    .record(values)
    .chain((all) => fc.subarray(Object.entries(all), { maxLength: Math.min(3, parameters.length) }))
    .map((entries) => {
      const query = entries.flatMap(([name, value]) =>
        (Array.isArray(value) ? value : [value]).map(
          (one) => `${name}=${encodeURIComponent(String(one).toWellFormed())}`,
        ),
      );
      return query.length === 0 ? '' : `?${query.join('&')}`;
    });
}

function rightMedia(operation: DocumentedOperation): fc.Arbitrary<Headers> {
  const documented = [...operation.responses].flatMap(([status, bodies]) =>
    status < 300 ? [...bodies.keys()] : [],
  );
  const types = documented.length === 0 ? ['application/json'] : documented;
  return fc.constantFrom(...types.map((type): Headers => [['Accept', type]]));
}

const furtherHeaders: fc.Arbitrary<Headers> = fc.array(fc.constantFrom(...FURTHER_HEADERS), {
  minLength: 1,
  maxLength: 3,
});

/** The body of a version, asked for and sent as that version. */
function rightBody(document: ApiDocument, operation: DocumentedOperation): fc.Arbitrary<SentBody> {
  const { bodies } = operation;
  const media = rightMedia(operation);
  if (bodies.size === 0) {
    return media.map((one) => ({ media: one, contentType: 'application/json', body: null }));
  }
  const write = writerOf(bodies);
  return fc.oneof(
    ...[...bodies].map(([type, schema]) =>
      fc.tuple(valueOf(document, schema), media).map(([value, any]) => ({
        media: type.startsWith('application/vnd.') ? ([['Accept', type]] as const) : any,
        contentType: type,
        body: toByteText(write(value)),
      })),
    ),
  );
}

function wildBody(
  document: ApiDocument,
  operation: DocumentedOperation,
): fc.Arbitrary<string | null> {
  const { bodies } = operation;
  if (bodies.size === 0) {
    const any = damagedText(fc.constant('{"name":"x"}'));
    return mostly<string | null>(fc.constant(null), any, 8);
  }
  const value = valuesOf(document, bodies);
  const write = writerOf(bodies);
  return fc.oneof(
    { arbitrary: value.map((one) => toByteText(write(one))), weight: 20 },
    { arbitrary: damaged(value).map((one) => toByteText(write(one))), weight: 60 },
    { arbitrary: damagedText(value.map(write)), weight: 15 },
    { arbitrary: fc.constant(null), weight: 10 },
    { arbitrary: fc.constant(`"${'x'.repeat(1024 * 1024)}"`), weight: 1 },
  );
}

function valuesOf(document: ApiDocument, bodies: Bodies): fc.Arbitrary<unknown> {
  return fc.oneof(...[...bodies.values()].map((schema) => valueOf(document, schema)));
}

function writerOf(bodies: Bodies): (value: unknown) => string {
  if (bodies.has('application/x-www-form-urlencoded')) return asForm;
  return (value) => JSON.stringify(value) ?? 'null';
}

function asForm(value: unknown): string {
  if (typeof value !== 'object' || value === null) return encodeURIComponent(JSON.stringify(value));
  const form = new URLSearchParams();
  for (const [name, one] of Object.entries(value)) {
    form.append(name, typeof one === 'string' ? one : (JSON.stringify(one) ?? ''));
  }
  return form.toString();
}
