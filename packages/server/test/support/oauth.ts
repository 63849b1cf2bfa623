import { type Api, type Json, type Response, send, textOf } from './api.ts';
import type { TestServer } from './server.ts';

/** A service account as a client knows it. */
export interface Client {
  readonly clientId: string;
  readonly secret: string;
  readonly secretId: string;
}

/** Makes a service account of the organization. */
export async function makeClient(
  server: TestServer,
  roles: readonly string[] = ['ORG_OWNER'],
): Promise<Client> {
  const made = await server.api.call('POST', `/api/atlas/v2/orgs/${server.orgId}/serviceAccounts`, {
    body: { name: 'Client', description: 'A test', roles, secretExpiresAfterHours: 8 },
  });
  return toClient(made.json);
}

/** A client of the answer to an account's creation. */
export function toClient(account: Json): Client {
  const [secret] = account['secrets'] as { id: string; secret: string }[];
  if (secret === undefined) throw new Error('an account came without a secret');
  return {
    clientId: account['clientId'] as string,
    secret: secret.secret,
    secretId: secret.id,
  };
}

/** The header of HTTP Basic, with both parts escaped as RFC 6749 wants it. */
export function basic({ clientId, secret }: Pick<Client, 'clientId' | 'secret'>): string {
  const pair = `${encodeURIComponent(clientId)}:${encodeURIComponent(secret)}`;
  return `Basic ${Buffer.from(pair).toString('base64')}`;
}

/** A form to an OAuth endpoint, as curl sends it. */
export function sendForm(
  url: string,
  form: Readonly<Record<string, string>>,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  return send(url, 'POST', {
    body: new URLSearchParams(form).toString(),
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
  });
}

export function askToken(url: string, client: Pick<Client, 'clientId' | 'secret'>) {
  return sendForm(
    `${url}/api/oauth/token`,
    { grant_type: 'client_credentials' },
    { authorization: basic(client) },
  );
}

/** A new access token. */
export async function newToken(url: string, client: Client): Promise<string> {
  return textOf(await askToken(url, client), 'access_token');
}

/** Calls with an access token. */
export function bearerClient(url: string, token: string): Api {
  return {
    call: (method, path, options = {}) =>
      send(url + path, method, {
        ...options,
        headers: {
          ...(path.startsWith('/api/atlas/v2')
            ? { accept: 'application/vnd.atlas.2024-08-05+json' }
            : {}),
          ...options.headers,
          authorization: `Bearer ${token}`,
        },
      }),
  };
}
