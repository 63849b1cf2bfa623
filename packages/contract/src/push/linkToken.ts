import Type, { type Static } from 'typebox';
import Value from 'typebox/value';

/** What a link-token carries. The whole string is a secret. */
export const LinkTokenContent = Type.Object(
  {
    v: Type.Literal(1),
    /** The server's configured public URL, without a path. */
    endpoint: Type.String({ pattern: '^https?://' }),
    orgId: Type.String({ pattern: '^[0-9a-f]{24}$' }),
    /** The key pair of the API key that was made with the token. */
    publicKey: Type.String(),
    privateKey: Type.String(),
  },
  { additionalProperties: false },
);
export type LinkTokenContent = Static<typeof LinkTokenContent>;

const PREFIX = 'lslt_';

/** One line of printable ASCII: a prefix that secret scanners can find, and base64url. */
export function encodeLinkToken(content: LinkTokenContent): string {
  return PREFIX + Buffer.from(JSON.stringify(content)).toString('base64url');
}

/**
 * Reads a link-token as a person pasted it (white space around it is ignored).
 * @throws {Error} naming what is wrong with it, never any part of it
 */
export function decodeLinkToken(text: string): LinkTokenContent {
  const token = text.trim();
  if (token === '') throw new Error('the link-token is empty');
  if (!token.startsWith(PREFIX)) throw new Error(`a link-token starts with "${PREFIX}"`);
  let content: unknown;
  try {
    content = JSON.parse(Buffer.from(token.slice(PREFIX.length), 'base64url').toString('utf8'));
  } catch {
    throw new Error('the link-token is damaged: paste it whole, on one line');
  }
  if (!Value.Check(LinkTokenContent, content)) {
    throw new Error('the link-token is damaged or was made by a newer server');
  }
  return content;
}
