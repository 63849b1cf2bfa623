import type { TSchema } from 'typebox';
import Value from 'typebox/value';
import type { ApiErrorCode, FieldViolation } from '../api/errors.ts';
import { API_ERRORS, formatDetail } from '../api/errors.ts';
import { ApiError, apiError } from './apiError.ts';

/** The largest body of a request to the API, in bytes. */
export const MAX_API_BODY_BYTES = 1024 * 1024;

/**
 * Parses a body as JSON, whatever version of the media type it claims to be.
 * @throws {ApiError} UNSUPPORTED_MEDIA_TYPE, MALFORMED_JSON
 */
export function parseJson(raw: Buffer, contentType: string | undefined): unknown {
  if (raw.length === 0) return undefined;
  const type = (contentType ?? 'application/json').split(';')[0]?.trim().toLowerCase() ?? '';
  if (type !== 'application/json' && !/^application\/vnd\.atlas\.[\w.-]+\+json$/.test(type)) {
    throw apiError('UNSUPPORTED_MEDIA_TYPE', type);
  }
  try {
    return JSON.parse(UTF8.decode(raw), revive) as unknown;
  } catch {
    throw apiError('MALFORMED_JSON');
  }
}

/** Refuses what is not UTF-8; a byte order mark is no JSON (RFC 8259, section 8.1). */
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Texts that no store can keep are malformed: PostgreSQL has no U+0000, UTF-8 no lone surrogates. */
function revive(key: string, value: unknown): unknown {
  if (typeof value === 'string' && (value.includes('\0') || !value.isWellFormed())) {
    throw new SyntaxError('a text that is not Unicode, or holds U+0000');
  }
  return key === '__proto__' ? undefined : value;
}

interface Problem extends FieldViolation {
  readonly code: ApiErrorCode;
  readonly parameter: string;
}

/**
 * Checks a body against its schema.
 * @throws {ApiError} with the code of the first problem and every field that has one
 */
export function checkBody(schema: TSchema, body: unknown): void {
  if (Value.Check(schema, body)) return;
  if (typeof body !== 'object' || body === null) throw apiError('INVALID_JSON');
  const problems = problemsOf(schema, body);
  const first = problems[0];
  if (first === undefined) throw apiError('INVALID_JSON');
  const { status, detail } = API_ERRORS[first.code];
  throw new ApiError({
    status,
    code: first.code,
    detail: formatDetail(detail, [first.parameter]),
    parameters: [first.parameter],
    fields: problems.map(({ field, description }) => ({ field, description })),
  });
}

function problemsOf(schema: TSchema, body: object): Problem[] {
  const problems = new Map<string, Problem>();
  for (const error of Value.Errors(schema, body)) {
    const at = error.instancePath.split('/').slice(1).map(unescapePointer);
    for (const problem of describe(error, at, body)) {
      if (!problems.has(problem.field)) problems.set(problem.field, problem);
    }
  }
  // What may be a list or null is also "not null" where only an item of the list is wrong.
  return [...problems.values()].filter(
    ({ field }) => ![...problems.keys()].some((other) => other.startsWith(`${field}.`)),
  );
}

/** A name of a JSON pointer (RFC 6901, section 3). */
function unescapePointer(name: string): string {
  return name.replaceAll('~1', '/').replaceAll('~0', '~');
}

function describe(
  error: ReturnType<typeof Value.Errors>[number],
  at: readonly string[],
  body: object,
): Problem[] {
  const field = at.join('.');
  switch (error.keyword) {
    case 'required':
      return error.params.requiredProperties.map((name) => {
        const missing = [...at, name].join('.');
        return {
          code: 'MISSING_ATTRIBUTE',
          field: missing,
          parameter: missing,
          description: 'is required',
        };
      });
    // Each unknown attribute comes by itself, before the error that names all of them: so some are
    // told of where there are more than typebox gathers errors.
    case 'boolean':
      return [
        {
          code: 'INVALID_ATTRIBUTE',
          field,
          parameter: field,
          description: 'is not an attribute of this request',
        },
      ];
    case 'type':
      if (field === '') return [];
      return [
        { code: 'INVALID_JSON_ATTRIBUTE', field, parameter: field, description: error.message },
      ];
    case 'enum': {
      const value = at.reduce<unknown>(
        (node, key) => (node as Record<string, unknown> | undefined)?.[key],
        body,
      );
      if (typeof value !== 'string') {
        return [
          { code: 'INVALID_JSON_ATTRIBUTE', field, parameter: field, description: error.message },
        ];
      }
      return [
        {
          code: 'INVALID_ENUM_VALUE',
          field,
          parameter: value,
          description: `must be one of ${error.params.allowedValues.join(', ')}`,
        },
      ];
    }
    case 'additionalProperties':
    case 'anyOf':
      return [];
    default:
      return field === ''
        ? []
        : [{ code: 'INVALID_ATTRIBUTE', field, parameter: field, description: error.message }];
  }
}
