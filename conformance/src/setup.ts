import type { Credential, HttpClient } from './client.ts';
import type { Json } from './contract.ts';

/** What a fixture needs could not be made: the server refused, or does not have the operation. */
export class SetupError extends Error {
  override readonly name = 'SetupError';
}

const LATEST = 'application/vnd.atlas.2024-08-05+json';

/** Calls that prepare what is tested: anything but a success is a {@link SetupError}. */
export class Setup {
  readonly client: HttpClient;
  readonly credential: Credential;

  constructor(client: HttpClient, credential: Credential) {
    this.client = client;
    this.credential = credential;
  }

  /** @param path below `/api/atlas/v2`, or whole where it begins with `/api/` */
  async call(method: string, path: string, body?: unknown): Promise<Json> {
    const whole = path.startsWith('/api/') ? path : `/api/atlas/v2${path}`;
    const answer = await this.client.send(this.credential, {
      method,
      path: whole,
      headers: { accept: whole.startsWith('/api/atlas/v2') ? LATEST : 'application/json' },
      body,
    });
    if (answer.status >= 400) {
      throw new SetupError(`${method} ${whole} answered ${answer.status}: ${answer.text}`);
    }
    const value: unknown = answer.text === '' ? {} : JSON.parse(answer.text);
    return value as Json;
  }

  /** A client for the same server with another credential. */
  as(credential: Credential): Setup {
    return new Setup(this.client, credential);
  }
}

/** @throws {SetupError} unless the body has a text there */
export function textAt(body: Json, ...path: readonly string[]): string {
  const value = path.reduce<unknown>((node, key) => (node as Json | undefined)?.[key], body);
  if (typeof value !== 'string') {
    throw new SetupError(`there is no ${path.join('.')} among ${Object.keys(body).join(', ')}`);
  }
  return value;
}

export function listAt(body: Json, key: string): readonly Json[] {
  const value = body[key];
  if (!Array.isArray(value)) throw new SetupError(`there is no list ${key}`);
  return value as Json[];
}

let count = 0;

/** A name that no other fixture has. Names of organizations and projects may have spaces (recorded). */
export function uniqueName(prefix: string): string {
  count += 1;
  return `${prefix} ${count}`;
}
