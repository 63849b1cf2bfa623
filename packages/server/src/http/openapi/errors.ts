import { STATUS_CODES } from 'node:http';
import { API_ERRORS, type ApiErrorCode } from '@linkspan/contract/api/errors.ts';
import type { Endpoint, EndpointVersion } from '../endpoint.ts';
import type { ApiBase } from '../version.ts';
import type { Json, SchemaComponents } from './schemas.ts';

const BODY_ERRORS: readonly ApiErrorCode[] = [
  'MALFORMED_JSON',
  'INVALID_JSON',
  'INVALID_JSON_ATTRIBUTE',
  'MISSING_ATTRIBUTE',
  'INVALID_ATTRIBUTE',
  'INVALID_ENUM_VALUE',
  'PAYLOAD_TOO_LARGE',
  'UNSUPPORTED_MEDIA_TYPE',
];

const SCOPE_ERRORS: Readonly<Record<Endpoint['scope'], readonly ApiErrorCode[]>> = {
  user: ['USER_UNAUTHORIZED'],
  org: ['INVALID_ORG_ID', 'ORG_NOT_FOUND', 'USER_CANNOT_ACCESS_ORG', 'USER_UNAUTHORIZED'],
  group: ['INVALID_GROUP_ID', 'GROUP_NOT_FOUND', 'USER_CANNOT_ACCESS_GROUP', 'USER_UNAUTHORIZED'],
};

/** Errors that no declaration rules out. */
const COMMON_ERRORS: readonly ApiErrorCode[] = [
  'INVALID_QUERY_PARAMETER',
  'VALIDATION_ERROR',
  'IP_ADDRESS_NOT_ON_ACCESS_LIST',
  'ORG_REQUIRES_ACCESS_LIST',
  'TOO_MANY_FAILED_SIGN_INS',
  'RATE_LIMITED_TOKEN_BUCKET',
  'UNEXPECTED_ERROR',
  'SERVICE_UNAVAILABLE',
];

/** What the pipeline can answer before and after the operation itself. */
function errorsOf(endpoint: Endpoint, base: ApiBase): ApiErrorCode[] {
  const { path, query, scope, versions } = endpoint;
  const has = (test: (version: EndpointVersion) => boolean): boolean => versions.some(test);
  return [
    ...COMMON_ERRORS,
    ...SCOPE_ERRORS[scope],
    ...(path.includes('{') ? (['INVALID_PATH_PARAMETER'] as const) : []),
    ...(Object.values(query ?? {}).some(({ type }) => type === 'time')
      ? (['INVALID_DATE_FORMAT'] as const)
      : []),
    ...(base.versioned ? (['INVALID_VERSION_DATE'] as const) : []),
    ...(base.versioned && has(({ sunset }) => sunset !== undefined)
      ? (['VERSION_GONE'] as const)
      : []),
    ...(has(({ body }) => body !== undefined) ? BODY_ERRORS : []),
  ];
}

/** Statuses of errors that the operation itself may answer. */
function ownStatuses({ method, path }: Endpoint): number[] {
  // A body can name what does not exist, as a path can.
  const names = method !== 'GET' || path.includes('{');
  return [...(names ? [400, 404] : [400]), ...(method === 'GET' ? [] : [409])];
}

/** What an operation can answer in place of a success, by status. */
export function errorResponses(endpoint: Endpoint, base: ApiBase): Json {
  const codes = Map.groupBy(errorsOf(endpoint, base), (code) => API_ERRORS[code].status);
  const statuses = new Set([...codes.keys(), 401, ...ownStatuses(endpoint)]);
  return Object.fromEntries(
    [...statuses]
      .toSorted((a, b) => a - b)
      .map((status) => [status, errorResponse(status, codes.get(status) ?? [])]),
  );
}

function errorResponse(status: number, codes: readonly ApiErrorCode[]): Json {
  const named = codes.map((code) => `\`${code}\``).join(', ');
  const reason = STATUS_CODES[status] ?? 'Error';
  const challenge = status === 401 ? 'No valid credentials' : '';
  return {
    description: [reason, [challenge, named].filter((text) => text !== '').join(', or ')]
      .filter((text) => text !== '')
      .join(': '),
    'x-linkspan-error-codes': codes,
    headers: {
      'X-Error-Code': { $ref: '#/components/headers/X-Error-Code' },
      ...(status === 401
        ? { 'WWW-Authenticate': { $ref: '#/components/headers/WWW-Authenticate' } }
        : {}),
      ...(status === 429 || status === 503
        ? { 'Retry-After': { $ref: '#/components/headers/Retry-After' } }
        : {}),
    },
    content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
  };
}

/** Adds the schema of every error's body; its code is one of the catalogue's. */
export function addErrorSchemas(schemas: SchemaComponents): void {
  schemas.add('ErrorCode', {
    type: 'string',
    description: 'docs/errors.md lists them with their texts.',
    enum: Object.keys(API_ERRORS).toSorted(),
  });
  schemas.add('Error', {
    type: 'object',
    required: ['detail', 'error', 'errorCode', 'reason'],
    properties: {
      badRequestDetail: {
        type: 'object',
        description: 'Every attribute of the body that is wrong.',
        required: ['fields'],
        properties: {
          fields: {
            type: 'array',
            items: {
              type: 'object',
              required: ['description', 'field'],
              properties: { description: { type: 'string' }, field: { type: 'string' } },
              additionalProperties: false,
            },
          },
        },
        additionalProperties: false,
      },
      detail: { type: 'string', description: 'A text for people.' },
      error: { type: 'integer', description: 'The HTTP status.', minimum: 400, maximum: 599 },
      errorCode: { $ref: '#/components/schemas/ErrorCode' },
      parameters: {
        type: ['array', 'null'],
        description: 'What stands in the text, in order.',
        items: { type: 'string' },
      },
      reason: { type: 'string', description: "The HTTP status's name." },
    },
    additionalProperties: false,
  });
}
