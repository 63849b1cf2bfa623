import { randomUUID, timingSafeEqual } from 'node:crypto';
import { decodeProtectedHeader, errors, type JWTPayload, jwtVerify, SignJWT } from 'jose';
import { secretHash } from '../domain/keyPair.ts';
import { invalidClient, OAuthError } from '../domain/oauthError.ts';
import { timestamp } from '../domain/time.ts';
import * as accessTokens from '../store/accessTokens.ts';
import * as events from '../store/events.ts';
import type { Executor } from '../store/executor.ts';
import type { ServiceAccountRow, ServiceAccountSecretRow } from '../store/schema.ts';
import * as serviceAccounts from '../store/serviceAccounts.ts';
import * as secrets from '../store/serviceAccountSecrets.ts';
import type { Store } from '../store/store.ts';
import type { SignInAccount, SignInFailure } from './signInAudit.ts';
import { SigningKeys } from './signingKeys.ts';

/** Life of an access token, as documented, in seconds. */
export const ACCESS_TOKEN_SECONDS = 3600;

/** The most tokens of an account that are live at a time, as documented. */
const MAX_LIVE_TOKENS = 100;

const ALGORITHM = 'ES256';
/** RFC 9068, section 2.1: no other kind of JWT passes for an access token. */
const TYPE = 'at+jwt';

/** A client that says who it is. */
export interface ClientCredentials {
  readonly clientId: string;
  readonly secret: string;
}

/** A client that has proven who it is. */
export interface AuthenticClient {
  readonly account: ServiceAccountRow;
  readonly secretId: string;
}

/** A client that has not. */
export interface RefusedClient {
  /** Whose credentials they would have been; null where there is no such account. */
  readonly refused: SignInAccount | null;
  readonly failure: SignInFailure;
}

/** What an access token of this server says, whether it is still live or not. */
export interface ReadToken {
  readonly tokenId: string;
  readonly clientId: string;
  readonly expired: boolean;
}

export interface AccessTokensOptions {
  /** For how long a key signs tokens before another takes its place, in milliseconds. */
  readonly rotationMs: number;
  /** Who issues tokens: the public URL. */
  readonly issuer: () => string;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

/** A secret that does not exist has this hash, so that both cases take the same time. */
const NO_SECRET: Pick<ServiceAccountSecretRow, 'id' | 'secret_hash' | 'expires_at'> = {
  id: '',
  secret_hash: secretHash(''),
  expires_at: '',
};

/**
 * OAuth 2 access tokens of service accounts: JWTs (RFC 9068) that are also rows of the store, since
 * no credential is valid offline (rule C6). A token that is no row is worth nothing.
 */
export class AccessTokens {
  readonly #store: Store;
  readonly #issuer: () => string;
  readonly #now: () => number;
  readonly #keys: SigningKeys;

  constructor(store: Store, { issuer, rotationMs, now = Date.now }: AccessTokensOptions) {
    this.#store = store;
    this.#issuer = issuer;
    this.#now = now;
    this.#keys = new SigningKeys(store, {
      rotationMs,
      longestLifeMs: ACCESS_TOKEN_SECONDS * 1000,
      now,
    });
  }

  /** Checks a client's secret; one that does not exist takes the same way as one that is wrong. */
  async authenticate(client: ClientCredentials): Promise<AuthenticClient | RefusedClient> {
    const { db } = this.#store;
    const account = await serviceAccounts.find(db, client.clientId);
    const own = await secrets.list(db, client.clientId);
    const given = secretHash(client.secret);
    let match: typeof NO_SECRET | null = null;
    for (const secret of own.length > 0 ? own : [NO_SECRET]) {
      if (timingSafeEqual(given, secret.secret_hash)) match = secret;
    }
    if (account === undefined) return { refused: null, failure: 'WRONG_SECRET' };
    const refused = {
      kind: 'serviceAccount',
      id: account.client_id,
      orgId: account.org_id,
    } as const;
    if (match === null || match === NO_SECRET) return { refused, failure: 'WRONG_SECRET' };
    if (match.expires_at <= this.#time()) return { refused, failure: 'EXPIRED' };
    return { account, secretId: match.id };
  }

  /**
   * Issues a token for the secret that the client has proven to hold.
   * @throws {OAuthError} invalid_client if the secret was removed meanwhile
   * @throws {OAuthError} access_denied if the account has as many live tokens as it can have
   */
  async issue({ account, secretId }: AuthenticClient): Promise<string> {
    const clientId = account.client_id;
    const tokenId = randomUUID();
    const issuedAt = Math.floor(this.#now() / 1000);
    const expiresAt = issuedAt + ACCESS_TOKEN_SECONDS;
    const key = await this.#store.transaction(async (tx) => {
      await this.#admit(tx, clientId, secretId);
      await accessTokens.insert(tx, {
        id: tokenId,
        client_id: clientId,
        secret_id: secretId,
        issued_at: timestamp(new Date(issuedAt * 1000)),
        expires_at: timestamp(new Date(expiresAt * 1000)),
      });
      await secrets.setLastUsed(tx, secretId, this.#time());
      return this.#keys.current(tx);
    });
    return new SignJWT()
      .setProtectedHeader({ alg: ALGORITHM, kid: key.id, typ: TYPE })
      .setIssuer(this.#issuer())
      .setSubject(clientId)
      .setJti(tokenId)
      .setIssuedAt(issuedAt)
      .setExpirationTime(expiresAt)
      .sign(key.privateKey);
  }

  /**
   * Reads a token that this server signed. Whether it is live is for the store to say.
   * @returns null for everything else
   */
  async read(token: string): Promise<ReadToken | null> {
    const kid = keyIdOf(token);
    const key = kid === null ? null : await this.#keys.publicKey(kid);
    if (key === null) return null;
    try {
      const { payload } = await jwtVerify(token, key, {
        algorithms: [ALGORITHM],
        typ: TYPE,
        issuer: this.#issuer(),
        requiredClaims: ['sub', 'jti', 'iat', 'exp'],
        currentDate: new Date(this.#now()),
      });
      return toReadToken(payload, false);
    } catch (error) {
      if (error instanceof errors.JWTExpired) return toReadToken(error.payload, true);
      if (error instanceof errors.JOSEError) return null;
      throw error;
    }
  }

  /**
   * Ends a token of the client's own account at once. Every other text that is no live token is
   * fine too: it is worth nothing already (RFC 7009, section 2.2).
   * @throws {OAuthError} invalid_grant for a token of another account (RFC 7009, section 2.1)
   */
  async revoke({ account }: AuthenticClient, token: string, remoteAddress: string): Promise<void> {
    const read = await this.read(token);
    if (read === null) return;
    const clientId = account.client_id;
    if (read.clientId !== clientId) {
      throw new OAuthError(
        400,
        'invalid_grant',
        'The token was issued to another service account, which alone can revoke it.',
      );
    }
    await this.#store.transaction(async (tx) => {
      if (!(await accessTokens.remove(tx, clientId, read.tokenId))) return;
      await events.record(tx, {
        type: 'SERVICE_ACCOUNT_ACCESS_TOKEN_REVOKED',
        orgId: account.org_id,
        actor: { clientId, remoteAddress },
        targetId: clientId,
        detail: { tokenId: read.tokenId },
      });
    });
  }

  async #admit(tx: Executor, clientId: string, secretId: string): Promise<void> {
    const now = this.#time();
    const own = await secrets.list(tx, clientId);
    if (!own.some((secret) => secret.id === secretId)) throw invalidClient();
    await accessTokens.removeExpired(tx, clientId, now);
    if ((await accessTokens.countLive(tx, clientId, now)) >= MAX_LIVE_TOKENS) {
      throw new OAuthError(
        403,
        'access_denied',
        'Access Token limit reached. Please use the existing Access Tokens or create a new Service Account.',
      );
    }
  }

  #time(): string {
    return timestamp(new Date(this.#now()));
  }
}

/** What the header says that the token was signed with; null where it is no header. */
function keyIdOf(token: string): string | null {
  try {
    const { kid } = decodeProtectedHeader(token);
    return typeof kid === 'string' ? kid : null;
  } catch {
    return null;
  }
}

function toReadToken({ jti, sub }: JWTPayload, expired: boolean): ReadToken | null {
  return jti === undefined || sub === undefined ? null : { tokenId: jti, clientId: sub, expired };
}
