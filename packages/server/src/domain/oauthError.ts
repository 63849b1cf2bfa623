/** The `error` of an answer, as RFC 6749 (section 5.2) or Atlas names it. */
export type OAuthErrorCode =
  | 'access_denied'
  | 'invalid_client'
  | 'invalid_grant'
  | 'invalid_request'
  | 'rate_limited'
  | 'server_error'
  | 'temporarily_unavailable'
  | 'unsupported_grant_type';

/** A refusal of the OAuth endpoints. Its message is for the person who called. */
export class OAuthError extends Error {
  override readonly name = 'OAuthError';
  readonly status: number;
  readonly code: OAuthErrorCode;
  /** After how many seconds the same request may go well. */
  readonly retryAfterSeconds: number | null;

  constructor(
    status: number,
    code: OAuthErrorCode,
    description: string,
    retryAfterSeconds: number | null = null,
  ) {
    super(description);
    this.status = status;
    this.code = code;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** The documented answer to an unknown client, a wrong secret and an expired one alike. */
export function invalidClient(): OAuthError {
  return new OAuthError(401, 'invalid_client', 'Invalid credentials provided.');
}

/** @param description which part of the request is wrong, and how */
export function invalidRequest(description: string): OAuthError {
  return new OAuthError(400, 'invalid_request', description);
}
