import { invalidClient, invalidRequest } from '../../domain/oauthError.ts';
import type { ClientCredentials } from '../../operations/accessTokens.ts';

/** The media type of a request's body (RFC 6749, section 4.4.2). */
const FORM = 'application/x-www-form-urlencoded';

/**
 * The parameters of a request. Those without a value count as absent, and none may come twice
 * (RFC 6749, section 3.2).
 * @throws {OAuthError} invalid_request
 */
export function readForm(
  raw: Buffer,
  contentType: string | undefined,
): ReadonlyMap<string, string> {
  const type = contentType?.split(';')[0]?.trim().toLowerCase();
  if (type !== FORM) throw invalidRequest(`The Content-Type must be ${FORM}.`);
  const form = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(raw.toString('utf8'))) {
    if (form.has(name)) throw invalidRequest('A parameter must not be sent more than once.');
    if (value !== '') form.set(name, value);
  }
  return form;
}

/**
 * What the client says who it is: HTTP Basic with its id and secret each escaped as in a form, or
 * `client_id` and `client_secret` in the form (RFC 6749, section 2.3.1). Clients send either.
 * @throws {OAuthError} invalid_client without credentials; invalid_request with both kinds
 */
export function readClient(
  authorization: string | undefined,
  form: ReadonlyMap<string, string>,
): ClientCredentials {
  const clientId = form.get('client_id');
  const secret = form.get('client_secret');
  if (authorization === undefined) {
    if (clientId === undefined || secret === undefined) throw invalidClient();
    return { clientId, secret };
  }
  const basic = readBasic(authorization);
  if (secret !== undefined || (clientId !== undefined && clientId !== basic.clientId)) {
    throw invalidRequest('The client must authenticate in one way: in the header or in the form.');
  }
  return basic;
}

function readBasic(authorization: string): ClientCredentials {
  const encoded = /^basic +([\w+/]+={0,2})$/i.exec(authorization)?.[1];
  const decoded = encoded === undefined ? '' : Buffer.from(encoded, 'base64').toString('utf8');
  const colon = decoded.indexOf(':');
  if (colon < 1) throw invalidClient();
  return {
    clientId: unescape(decoded.slice(0, colon)),
    secret: unescape(decoded.slice(colon + 1)),
  };
}

function unescape(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    throw invalidClient();
  }
}
