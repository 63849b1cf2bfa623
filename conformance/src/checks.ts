import type { HttpAnswer } from './client.ts';
import { CONTRACT, type Json, type Served, successStatus } from './contract.ts';
import type { Refusal } from './roles.ts';
import { bodyCheck } from './schemas.ts';

/** Says what of a success is not as the contract has it; empty: nothing. */
export function problemsOfSuccess(
  served: Served,
  answer: HttpAnswer,
  expected: Json | undefined,
): string[] {
  const status = successStatus(served.operation);
  if (answer.status !== status) return [`status ${answer.status}, not ${status}: ${answer.text}`];
  const { deprecation } = served;
  return [
    ...problemsOfHeaders(served, answer),
    ...headerIs(answer, 'content-type', served.mediaType),
    ...headerIs(answer, 'x-error-code', undefined),
    ...headerIs(answer, 'deprecation', deprecation?.deprecation),
    ...headerIs(answer, 'sunset', deprecation?.sunset),
    ...problemsOfRecordedHeaders(served, answer),
    ...problemsOfBody(served, answer, expected),
  ];
}

/** How an answer was asked to be written. */
export interface Presentation {
  readonly envelope: boolean;
  readonly pretty: boolean;
}

/**
 * Says what of a success is not written as asked for: in an envelope a list has its status beside
 * its results, and anything else becomes the content (documented); `pretty` indents.
 */
export function problemsOfPresentation(
  served: Served,
  answer: HttpAnswer,
  { envelope, pretty }: Presentation,
): string[] {
  const success = successStatus(served.operation);
  // A 204 cannot carry an envelope.
  const status = envelope && success === 204 ? 200 : success;
  if (answer.status !== status) return [`status ${answer.status}, not ${status}: ${answer.text}`];
  if (status === 204) return answer.text === '' ? [] : [`a body where none can be: ${answer.text}`];
  const body = parsed(answer.text);
  const isWritten = JSON.stringify(ordered(body), null, pretty ? 2 : undefined) === answer.text;
  return [
    ...(isWritten ? [] : [`not as asked, with ordered keys: ${answer.text}`]),
    ...(envelope ? problemsOfEnvelope(served, body) : problemsOfContent(served, body)),
    ...headerIs(answer, 'content-type', served.mediaType),
  ];
}

function problemsOfEnvelope(served: Served, body: unknown): string[] {
  if (typeof body !== 'object' || body === null) return ['no envelope'];
  const { status, ...rest } = body as Json;
  const success = successStatus(served.operation);
  const isList = 'results' in rest;
  return [
    ...(status === success ? [] : [`the envelope's status is ${String(status)}, not ${success}`]),
    ...(isList || Object.keys(rest).join() === 'content' ? [] : ['something beside the content']),
    ...problemsOfContent(served, isList ? rest : rest['content']),
  ];
}

function problemsOfContent({ response }: Served, content: unknown): string[] {
  return response === null
    ? problemsOfFields({ content }, { content: {} })
    : bodyCheck(response)(content);
}

/** Says what of a refusal is not as the contract has it. */
export function problemsOfRefusal(served: Served, answer: HttpAnswer, refusal: Refusal): string[] {
  if (answer.status !== refusal.status) {
    return [`status ${answer.status}, not ${refusal.status} ${refusal.code}: ${answer.text}`];
  }
  return [
    ...problemsOfHeaders(served, answer),
    ...headerIs(answer, 'content-type', 'application/json'),
    ...problemsOfError(answer, refusal),
  ];
}

/** The one answer to whoever has no valid credentials: recorded, byte for byte. */
export function problemsOfChallenge(answer: HttpAnswer): string[] {
  const challenge = answer.headers['www-authenticate'] ?? '';
  return [
    ...(answer.status === 401 ? [] : [`status ${answer.status}, not 401`]),
    ...(answer.text === CONTRACT.unauthorized.body ? [] : [`another body: ${answer.text}`]),
    ...(CHALLENGE.test(challenge) ? [] : [`another challenge: ${challenge}`]),
    ...headerIs(answer, 'content-type', 'application/json'),
    ...headerIs(answer, 'vary', 'Accept-Encoding'),
    ...[...Object.keys(CONTRACT.authenticated.headers), 'RateLimit-Limit', 'X-Error-Code'].flatMap(
      (name) => headerIs(answer, name, undefined),
    ),
  ];
}

const CHALLENGE =
  /^Digest realm="MMS Public API", domain="", nonce="[A-Za-z0-9+/=]{32}", algorithm=MD5, qop="auth", stale=false$/;

/** The body of an error: its shape, and that header and body say the same. */
export function problemsOfError(answer: HttpAnswer, { status, code }: Refusal): string[] {
  const body = parsed(answer.text);
  if (body === undefined) return [`not JSON: ${answer.text}`];
  return [
    ...checkError(body),
    ...problemsOfText(answer.text, body),
    ...problemsOfFields(body, { error: status, errorCode: code }),
    ...headerIs(answer, 'x-error-code', code),
  ];
}

const checkError = bodyCheck(CONTRACT.errorResponse);

function problemsOfHeaders({ operation }: Served, answer: HttpAnswer): string[] {
  const { capacity } = operation.rateLimit;
  const remaining = Number(answer.headers['ratelimit-remaining'] ?? Number.NaN);
  return [
    ...Object.entries(CONTRACT.authenticated.headers).flatMap(([name, value]) =>
      headerIs(answer, name, value),
    ),
    ...headerIs(answer, 'ratelimit-limit', `${capacity}`),
    ...(remaining >= 0 && remaining <= capacity
      ? []
      : [`header ratelimit-remaining is ${answer.headers['ratelimit-remaining'] ?? 'absent'}`]),
  ];
}

/** Headers whose value depends on what was made must be there where they were recorded. */
function problemsOfRecordedHeaders({ operation }: Served, answer: HttpAnswer): string[] {
  const success = successStatus(operation);
  const recorded = operation.recorded?.find(({ status }) => status === success);
  if (recorded?.headers['Location'] === undefined) return [];
  return URL.canParse(answer.headers['location'] ?? '') ? [] : ['header location is no URL'];
}

function problemsOfBody(served: Served, answer: HttpAnswer, expected: Json | undefined): string[] {
  const { text } = answer;
  if (answer.status === 204) return text === '' ? [] : [`a body where none can be: ${text}`];
  if (served.response === null) {
    return text === '' || text === '{}' ? [] : [`a body that is not specified: ${text}`];
  }
  const body = parsed(text);
  if (body === undefined) return [`not JSON: ${text}`];
  return [
    ...bodyCheck(served.response)(body),
    ...problemsOfText(text, body),
    ...problemsOfFields(body, expected ?? {}),
  ];
}

/** Keys in alphabetical order, and no spaces (recorded). */
function problemsOfText(text: string, body: unknown): string[] {
  return JSON.stringify(ordered(body)) === text ? [] : [`not compact with ordered keys: ${text}`];
}

function ordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(ordered);
  if (typeof value !== 'object' || value === null) return value;
  const keys = Object.keys(value).toSorted();
  return Object.fromEntries(keys.map((key) => [key, ordered((value as Json)[key])]));
}

function problemsOfFields(body: unknown, expected: Json): string[] {
  return Object.entries(expected).flatMap(([key, value]) => {
    const found: unknown = (body as Json | null)?.[key];
    const same = JSON.stringify(ordered(found)) === JSON.stringify(ordered(value));
    return same ? [] : [`${key} is ${JSON.stringify(found)}, not ${JSON.stringify(value)}`];
  });
}

function headerIs(answer: HttpAnswer, name: string, value: string | undefined): string[] {
  const found = answer.headers[name.toLowerCase()];
  if (found === value) return [];
  return [`header ${name} is ${found ?? 'absent'}, not ${value ?? 'absent'}`];
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
