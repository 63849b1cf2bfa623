import type { Json } from './schemas.ts';

/** The operations of OAuth 2 (RFC 6749, section 4.4; RFC 7009): they follow its conventions. */

const TAG = 'OAuth 2';

const failure = (description: string): Json => ({
  description,
  content: { 'application/json': { schema: { $ref: '#/components/schemas/OAuthError' } } },
});

const form = (properties: Json, required: readonly string[]): Json => ({
  required: true,
  content: {
    'application/x-www-form-urlencoded': { schema: { type: 'object', required, properties } },
  },
});

export const OAUTH_SCHEMAS: Readonly<Record<string, Json>> = {
  OAuthError: {
    type: 'object',
    required: ['error'],
    properties: { error: { type: 'string' }, error_description: { type: 'string' } },
  },
  OAuthToken: {
    type: 'object',
    required: ['access_token', 'expires_in', 'token_type'],
    properties: {
      access_token: { type: 'string', description: 'A JSON Web Token.' },
      expires_in: { type: 'integer', description: 'Seconds.', minimum: 1 },
      token_type: { const: 'Bearer' },
    },
  },
};

export const OAUTH_PATHS: Json = {
  '/api/oauth/token': {
    post: {
      operationId: 'createAccessToken',
      summary: "An access token for a service account's client id and secret",
      tags: [TAG],
      security: [{ client: [] }],
      requestBody: form({ grant_type: { const: 'client_credentials' } }, ['grant_type']),
      responses: {
        200: {
          description: 'OK',
          content: { 'application/json': { schema: { $ref: '#/components/schemas/OAuthToken' } } },
        },
        400: failure('`invalid_request` or `unsupported_grant_type`'),
        401: failure('`invalid_client`'),
      },
    },
  },
  '/api/oauth/revoke': {
    post: {
      operationId: 'revokeAccessToken',
      summary: 'End an access token before its time',
      tags: [TAG],
      security: [{ client: [] }],
      requestBody: form({ token: { type: 'string' }, token_type_hint: { type: 'string' } }, [
        'token',
      ]),
      responses: {
        200: { description: 'OK: whether there was such a token or not' },
        400: failure('`invalid_request`'),
        401: failure('`invalid_client`'),
      },
    },
  },
};
