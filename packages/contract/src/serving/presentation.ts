import { type ApiError, apiError } from './apiError.ts';

/** How an answer is to be written. */
export interface Presentation {
  readonly envelope: boolean;
  readonly pretty: boolean;
}

/** The query part of a request target. */
export function queryOf(target: string): URLSearchParams {
  const at = target.indexOf('?');
  return new URLSearchParams(at === -1 ? '' : target.slice(at + 1));
}

/** What can be known of the presentation before the request is judged: for errors. */
export function presentationOf(query: URLSearchParams): Presentation {
  return { envelope: query.get('envelope') === 'true', pretty: query.get('pretty') === 'true' };
}

/** @throws {ApiError} INVALID_QUERY_PARAMETER for a value that is not true or false */
export function checkPresentation(query: URLSearchParams): void {
  booleanParameter(query, 'envelope', false);
  booleanParameter(query, 'pretty', false);
}

/** @throws {ApiError} INVALID_QUERY_PARAMETER */
export function booleanParameter(query: URLSearchParams, name: string, absent: boolean): boolean {
  const text = query.get(name);
  if (text === null || text === '') return absent;
  if (text !== 'true' && text !== 'false') throw apiError('INVALID_QUERY_PARAMETER', name);
  return text === 'true';
}

/** On every answer to an authenticated request: recorded. */
export const SECURITY_HEADERS = {
  'Referrer-Policy': 'strict-origin-when-cross-origin',
  'Strict-Transport-Security': 'max-age=31536000; includeSubdomains;',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'X-Permitted-Cross-Domain-Policies': 'none',
} as const;

/** What goes on the wire. */
export interface Written {
  readonly status: number;
  /** null: no body at all. */
  readonly body: Buffer | null;
}

/** A body, in an envelope if one was asked for. Bytes, so that nothing changes the content type. */
export function writeAnswer(status: number, body: unknown, presentation: Presentation): Written {
  if (!presentation.envelope) {
    return { status, body: body === undefined ? null : toJson(body, presentation.pretty) };
  }
  const content = isPage(body) ? { status, ...body } : { status, content: body ?? {} };
  return { status: status === 204 ? 200 : status, body: toJson(content, presentation.pretty) };
}

export function writeError(error: ApiError, presentation: Presentation): Buffer {
  const body = error.body();
  return toJson(
    presentation.envelope ? { status: error.status, content: body } : body,
    presentation.pretty,
  );
}

function isPage(body: unknown): body is { readonly results: unknown } {
  return typeof body === 'object' && body !== null && 'results' in body && 'links' in body;
}

/** JSON with its keys in alphabetical order, as recorded; `pretty` indents it. */
function toJson(value: unknown, pretty: boolean): Buffer {
  return Buffer.from(JSON.stringify(sorted(value), null, pretty ? 2 : undefined));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return Object.fromEntries(entries.map(([key, inner]) => [key, sorted(inner)]));
}
