import { FIRST_VERSION, headerDate } from '@linkspan/contract/api/versions.ts';
import packageFile from '../../../package.json' with { type: 'json' };
import type { Endpoint, EndpointVersion } from '../endpoint.ts';
import { API_BASES, type ApiBase, isServedAt } from '../version.ts';
import { addErrorSchemas, errorResponses } from './errors.ts';
import { OAUTH_PATHS, OAUTH_SCHEMAS } from './oauth.ts';
import { parametersOf, SHARED_PARAMETERS } from './parameters.ts';
import { type Json, SchemaComponents } from './schemas.ts';

const DESCRIPTION = `The live-migration part of the Atlas Administration API, and Linkspan's own resources.

- \`/api/atlas/v2\`: the version of an operation is chosen by \`Accept: application/vnd.atlas.YYYY-MM-DD+json\`: the newest one that is not later than the date.
- \`/api/atlas/v1.0\`: the same operations as they were first, in plain JSON.
- \`/api/linkspan/v1\`: what Atlas has no operation for, with the same conventions.

Every GET answers HEAD as well, and every path answers OPTIONS. Bodies may also be sent as \`application/json\`. A query parameter without a value counts as absent. A success with \`envelope=true\` has its body in \`content\`.

To try an operation here, enter an access token under *Authorize* (bearer). With an API key enter nothing: your browser answers the Digest challenge and asks for the public and the private key.`;

const SECURITY_SCHEMES: Json = {
  digest: {
    type: 'http',
    scheme: 'digest',
    description:
      'HTTP Digest (RFC 7616, MD5, qop auth) with the public and the private key of an API key.',
  },
  serviceAccount: {
    type: 'oauth2',
    description: 'The client credentials of a service account.',
    flows: { clientCredentials: { tokenUrl: '/api/oauth/token', scopes: {} } },
  },
  bearer: {
    type: 'http',
    scheme: 'bearer',
    bearerFormat: 'JWT',
    description: 'An access token from `/api/oauth/token`.',
  },
  client: {
    type: 'http',
    scheme: 'basic',
    description: 'The id and the secret of a service account.',
  },
};

const header = (schema: Json, description: string): Json => ({ description, schema });

const HEADERS: Json = {
  'RateLimit-Limit': header({ type: 'integer' }, 'Requests that the bucket holds.'),
  'RateLimit-Remaining': header({ type: 'integer' }, 'Requests that are left in it.'),
  Location: header({ type: 'string' }, 'Where what was made can be read.'),
  Deprecation: header({ type: 'string' }, 'When a newer version replaced this one.'),
  Sunset: header({ type: 'string' }, 'When this version will go.'),
  'X-Error-Code': header({ $ref: '#/components/schemas/ErrorCode' }, 'The same as `errorCode`.'),
  'WWW-Authenticate': header({ type: 'string' }, 'How to authenticate.'),
  'Retry-After': header({ type: 'integer' }, 'Seconds after which to try again.'),
};

/** The OpenAPI 3.1 document of the operations at all of their bases. It holds no secret. */
export function openApiDocument(endpoints: readonly Endpoint[]): Json {
  const schemas = new SchemaComponents();
  addErrorSchemas(schemas);
  for (const [name, schema] of Object.entries(OAUTH_SCHEMAS)) schemas.add(name, schema);
  const paths: Record<string, Record<string, Json>> = {};
  const tags = new Set<string>();
  // Whoever reads it looks for the newest first.
  for (const base of API_BASES.toSorted((a, b) => Number(b.versioned) - Number(a.versioned))) {
    for (const endpoint of endpoints) {
      if (!isServedAt(endpoint, base)) continue;
      const path = (paths[base.path + endpoint.path] ??= {});
      path[endpoint.method.toLowerCase()] = operationOf(endpoint, base, schemas);
      tags.add(tagOf(endpoint, base));
    }
  }
  return {
    openapi: '3.1.1',
    info: {
      title: 'Linkspan',
      version: packageFile.version,
      description: DESCRIPTION,
      license: { name: 'Apache 2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    security: [{ digest: [] }, { serviceAccount: [] }, { bearer: [] }],
    tags: [...tags, 'OAuth 2'].map((name) => ({ name })),
    paths: { ...paths, ...OAUTH_PATHS },
    components: {
      schemas: schemas.all(),
      parameters: SHARED_PARAMETERS,
      headers: HEADERS,
      securitySchemes: SECURITY_SCHEMES,
    },
  };
}

function tagOf({ tag, api }: Endpoint, base: ApiBase): string {
  return api === 'atlas' && !base.versioned ? `${tag} (v1.0)` : tag;
}

/** Ids are unique in the document: Atlas's own stand at v2, where its clients look for them. */
function operationIdOf({ operationId, api }: Endpoint, base: ApiBase): string {
  return api === 'atlas' && !base.versioned ? `v1_${operationId}` : operationId;
}

function operationOf(endpoint: Endpoint, base: ApiBase, schemas: SchemaComponents): Json {
  const { summary, role, limits, versions } = endpoint;
  const answering = base.versioned ? versions : versions.slice(0, 1);
  const bodies = answering.flatMap(({ body, date }) =>
    body === undefined ? [] : [[mediaType(base, date), { schema: schemas.refer(body) }] as const],
  );
  const required = answering.some(({ bodyOptional }) => bodyOptional !== true);
  return {
    operationId: operationIdOf(endpoint, base),
    summary,
    tags: [tagOf(endpoint, base)],
    'x-linkspan-role': role ?? 'ANY',
    'x-linkspan-rate-limit': {
      capacity: limits.capacity,
      refill: limits.refill,
      perSeconds: limits.perSeconds,
    },
    parameters: parametersOf(endpoint),
    ...(bodies.length === 0
      ? {}
      : { requestBody: { required, content: Object.fromEntries(bodies) } }),
    responses: {
      ...successes(endpoint, base, answering, schemas),
      ...errorResponses(endpoint, base),
    },
  };
}

function successes(
  endpoint: Endpoint,
  base: ApiBase,
  versions: readonly EndpointVersion[],
  schemas: SchemaComponents,
): Json {
  const { status, isList } = endpoint;
  const isReplaced = base.versioned && versions.some(({ sunset }) => sunset !== undefined);
  const names = [
    'RateLimit-Limit',
    'RateLimit-Remaining',
    ...(status === 201 ? ['Location'] : []),
    ...(isReplaced ? ['Deprecation', 'Sunset'] : []),
  ];
  const headers = Object.fromEntries(
    names.map((name) => [name, { $ref: `#/components/headers/${name}` }]),
  );
  const content = Object.fromEntries(
    versions.flatMap((version) => {
      const { response, date } = version;
      if (response === undefined) return [];
      const schema = isList === true ? schemas.page(response) : schemas.refer(response);
      return [[mediaType(base, date), { schema, ...lifetimeOf(base, version, versions) }]];
    }),
  );
  if (Object.keys(content).length > 0) return { [status]: { description: 'OK', headers, content } };
  return {
    [status]: { description: 'OK', headers },
    // A 204 has no room for an envelope.
    200: {
      description: 'OK, with `envelope=true`',
      headers,
      content: Object.fromEntries(
        versions.map(({ date }) => [mediaType(base, date), { schema: EMPTY_ENVELOPE }]),
      ),
    },
  };
}

const EMPTY_ENVELOPE: Json = {
  type: 'object',
  required: ['content', 'status'],
  properties: {
    content: { type: 'object', additionalProperties: false },
    status: { const: 204 },
  },
  additionalProperties: false,
};

/** What the headers of a version that a newer one replaced say. */
function lifetimeOf(
  base: ApiBase,
  { date, sunset }: EndpointVersion,
  versions: readonly EndpointVersion[],
): Json {
  const successor = versions.find((other) => other.date > date);
  if (!base.versioned || sunset === undefined || successor === undefined) return {};
  return {
    'x-linkspan-deprecation': headerDate(successor.date),
    'x-linkspan-sunset': headerDate(sunset),
  };
}

function mediaType(base: ApiBase, date: string = FIRST_VERSION): string {
  return base.versioned ? `application/vnd.atlas.${date}+json` : 'application/json';
}
