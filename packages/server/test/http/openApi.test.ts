import { Validator } from '@seriousme/openapi-schema-validator';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { API_ERRORS } from '@linkspan/contract/api/errors.ts';
import { openApiDocument } from '../../src/http/openapi/document.ts';
import { API_BASES, isServedAt } from '../../src/http/version.ts';
import { send } from '../support/api.ts';
import { everyEndpoint } from '../support/endpoints.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

const PATH = '/api/linkspan/v1/openapi.json';

interface Operation {
  readonly operationId: string;
  readonly responses: Readonly<Record<string, { readonly content?: Media }>>;
  readonly requestBody?: { readonly content: Media };
}
type Media = Readonly<Record<string, { readonly schema: Readonly<Record<string, unknown>> }>>;

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, { readonly enum?: unknown }>> };
}

let server: TestServer;
let document: Document;
beforeAll(async () => {
  server = await startTestServer();
  const answer = await send(server.url + PATH, 'GET');
  expect(answer.status).toBe(200);
  expect(answer.headers['content-type']).toBe('application/json');
  document = answer.json as unknown as Document;
});
afterAll(() => server[Symbol.asyncDispose]());

const operations = (): Operation[] => Object.values(document.paths).flatMap(Object.values);

test('the document is valid OpenAPI 3.1', async () => {
  const validator = new Validator();
  const { valid, errors } = await validator.validate(
    structuredClone(document) as unknown as Record<string, unknown>,
  );
  expect(errors ?? []).toEqual([]);
  expect([valid, validator.version]).toEqual([true, '3.1']);
  expect(() => validator.resolveRefs()).not.toThrow();
});

test('every operation is in it, at each of its bases, with each of its versions', () => {
  const endpoints = everyEndpoint(server);
  let count = 0;
  for (const base of API_BASES) {
    for (const endpoint of endpoints.filter((one) => isServedAt(one, base))) {
      count += 1;
      const operation = document.paths[base.path + endpoint.path]?.[endpoint.method.toLowerCase()];
      expect(operation?.operationId, base.path + endpoint.path).toContain(endpoint.operationId);
      const success = operation?.responses[endpoint.status];
      expect(success).toBeDefined();
      const media = Object.keys(success?.content ?? {});
      const answered = endpoint.versions.filter(({ response }) => response !== undefined);
      if (base.versioned) {
        expect(media).toEqual(answered.map(({ date }) => `application/vnd.atlas.${date}+json`));
      } else {
        expect(media).toEqual(answered.length === 0 ? [] : ['application/json']);
      }
    }
  }
  expect(operations()).toHaveLength(count + 2);
  expect(new Set(operations().map(({ operationId }) => operationId)).size).toBe(count + 2);
});

test('bodies have names, so that generators make types of them', () => {
  const media = operations().flatMap(({ requestBody, responses }) =>
    [requestBody, ...Object.values(responses)].flatMap((body) =>
      Object.entries(body?.content ?? {}),
    ),
  );
  for (const [type, { schema }] of media) {
    if (type === 'application/x-www-form-urlencoded' || isEmptyEnvelope(schema)) continue;
    const named = '$ref' in schema || '$ref' in ((schema['items'] as object | undefined) ?? {});
    expect(named, JSON.stringify(schema)).toBe(true);
  }
});

function isEmptyEnvelope(schema: Readonly<Record<string, unknown>>): boolean {
  return JSON.stringify(schema['required']) === '["content","status"]';
}

test('every code of the catalogue is in it', () => {
  expect(document.components.schemas['ErrorCode']?.enum).toEqual(
    Object.keys(API_ERRORS).toSorted(),
  );
});

test('it is read without credentials, and asked for again only when it has changed', async () => {
  const first = await send(server.url + PATH, 'GET', { headers: { 'accept-encoding': 'gzip' } });
  const { etag, 'cache-control': cacheControl, 'content-encoding': encoding } = first.headers;
  expect([cacheControl, encoding]).toEqual(['public, no-cache', 'gzip']);
  const again = await send(server.url + PATH, 'GET', { headers: { 'if-none-match': etag ?? '' } });
  expect([again.status, again.text]).toEqual([304, '']);
  const head = await send(server.url + PATH, 'HEAD');
  expect([head.status, head.text, head.headers.etag]).toEqual([200, '', etag]);
  const other = await send(server.url + PATH, 'DELETE');
  expect([other.status, other.headers['allow']]).toEqual([405, 'GET, HEAD, OPTIONS']);
});

test('it is the same whatever the server knows', () => {
  expect(JSON.parse(JSON.stringify(openApiDocument(everyEndpoint(server))))).toEqual(document);
});

test('the page loads files of this server alone, by names that hold their content', async () => {
  const page = await send(`${server.url}/api/linkspan/v1/docs`, 'GET');
  expect(page.status).toBe(200);
  expect(page.headers['content-type']).toBe('text/html;charset=utf-8');
  expect(page.headers['content-security-policy']).not.toMatch(/unsafe|\*|https?:/);
  const names = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, name = '']) => name);
  const files = names.filter((name) => name.startsWith('docs/'));
  expect(files).toHaveLength(3);
  expect(names.filter((name) => /^\/|:\/\//.test(name))).toEqual([]);
  for (const name of files) {
    const file = await send(`${server.url}/api/linkspan/v1/${name}`, 'GET');
    expect([file.status, file.headers['cache-control']]).toEqual([
      200,
      'public, max-age=31536000, immutable',
    ]);
  }
});

test.each(['swagger-ui.css', '..%2Fpackage.json', '__proto__', 'constructor', 'package.json'])(
  'nothing but its own files is served: %s',
  async (name) => {
    const answer = await send(`${server.url}/api/linkspan/v1/docs/${name}`, 'GET');
    expect([answer.status, answer.headers['x-error-code']]).toEqual([404, 'RESOURCE_NOT_FOUND']);
  },
);

test('the page is at one place, without a slash at its end', async () => {
  const answer = await send(`${server.url}/api/linkspan/v1/docs/`, 'GET');
  expect([answer.status, answer.headers['location']]).toEqual([308, '/api/linkspan/v1/docs']);
});

test('an expectation that HTTP does not know is ignored', async () => {
  const answer = await send(server.url + PATH, 'GET', { headers: { expect: 'a miracle' } });
  expect(answer.status).toBe(200);
});
