import { STATUS_CODES } from 'node:http';
import {
  API_ERRORS,
  type ApiErrorCode,
  type ErrorBody,
  type FieldViolation,
  formatDetail,
  LINK_NOT_FOUND,
} from '../api/errors.ts';

/** An answer of the API that is an error. Its message is for the person who called. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;
  readonly code: string;
  readonly parameters: readonly string[] | null;
  readonly fields: readonly FieldViolation[];
  /** After how many seconds the same request may go well. */
  readonly retryAfterSeconds: number | null;

  constructor(answer: {
    readonly status: number;
    readonly code: string;
    readonly detail: string;
    readonly parameters: readonly string[] | null;
    readonly fields?: readonly FieldViolation[];
    readonly retryAfterSeconds?: number;
  }) {
    super(answer.detail);
    this.status = answer.status;
    this.code = answer.code;
    this.parameters = answer.parameters;
    this.fields = answer.fields ?? [];
    this.retryAfterSeconds = answer.retryAfterSeconds ?? null;
  }

  /** The body, in Atlas's shape. */
  body(): ErrorBody {
    return {
      ...(this.fields.length > 0 ? { badRequestDetail: { fields: this.fields } } : {}),
      detail: this.message,
      error: this.status,
      errorCode: this.code,
      parameters: this.parameters,
      reason: STATUS_CODES[this.status] ?? 'Error',
    };
  }
}

/** An error of the catalogue, its text filled with `parameters`. */
export function apiError(code: ApiErrorCode, ...parameters: readonly string[]): ApiError {
  const { status, detail } = API_ERRORS[code];
  return new ApiError({ status, code, detail: formatDetail(detail, parameters), parameters });
}

/** A 400 that names the attribute it is about. */
export function attributeError(
  code: ApiErrorCode,
  field: string,
  description: string,
  parameters: readonly string[] = [field],
): ApiError {
  const { status, detail } = API_ERRORS[code];
  return new ApiError({
    status,
    code,
    detail: formatDetail(detail, parameters),
    parameters,
    fields: [{ field, description }],
  });
}

/** The same for several attributes; the first one stands in the text. */
export function attributeErrors(code: ApiErrorCode, fields: readonly FieldViolation[]): ApiError {
  const { status, detail } = API_ERRORS[code];
  const parameters = fields.slice(0, 1).map(({ field }) => field);
  return new ApiError({
    status,
    code,
    detail: formatDetail(detail, parameters),
    parameters,
    fields,
  });
}

/** The recorded answer where an organization has no link. */
export function linkNotFound(): ApiError {
  return new ApiError({ ...LINK_NOT_FOUND, parameters: null });
}

/** A 503: what is needed to answer is not there now. */
export function unavailable(detail: string, retryAfterSeconds: number): ApiError {
  return new ApiError({
    status: API_ERRORS.SERVICE_UNAVAILABLE.status,
    code: API_ERRORS.SERVICE_UNAVAILABLE.code,
    detail,
    parameters: [],
    retryAfterSeconds,
  });
}
