import { createHash } from 'node:crypto';

/**
 * The computation of HTTP Digest (RFC 7616) as the API uses it: MD5 and qop `auth`, shared by the
 * client and the server.
 */

/** HA1 of RFC 7616, 3.4.2, in hex: all that a server needs to keep of a password. */
export function digestHa1(username: string, realm: string, password: string): string {
  return md5(`${username}:${realm}:${password}`);
}

export interface DigestInput {
  /** {@link digestHa1} */
  readonly ha1: string;
  readonly nonce: string;
  /** Eight hex digits. */
  readonly nonceCount: string;
  readonly clientNonce: string;
  readonly method: string;
  /** The request target, with its query, as it stands in the request line. */
  readonly uri: string;
}

/** The `response` of RFC 7616, 3.4.1, for qop `auth`, in hex. */
export function digestResponse(input: DigestInput): string {
  const ha2 = md5(`${input.method}:${input.uri}`);
  return md5(`${input.ha1}:${input.nonce}:${input.nonceCount}:${input.clientNonce}:auth:${ha2}`);
}

/**
 * The parameters after the scheme of a `WWW-Authenticate` or `Authorization` header, names in lower
 * case.
 * @returns null where the scheme is not Digest or the text is malformed
 */
export function parseDigestParameters(header: string): ReadonlyMap<string, string> | null {
  const match = /^digest\s+/i.exec(header);
  if (match === null) return null;
  const parameters = new Map<string, string>();
  const pattern = /([a-z*-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]*))\s*(?:,\s*|$)/giy;
  pattern.lastIndex = match[0].length;
  while (pattern.lastIndex < header.length) {
    const found = pattern.exec(header);
    if (found === null) return null;
    const [, name = '', quoted, plain = ''] = found;
    if (parameters.has(name.toLowerCase())) return null;
    parameters.set(name.toLowerCase(), quoted?.replaceAll(/\\(.)/g, '$1') ?? plain);
  }
  return parameters;
}

function md5(text: string): string {
  return createHash('md5').update(text).digest('hex');
}
