import type { ErrorBody } from '@linkspan/contract/api/errors.ts';

import type { ApiResponse } from './authentication.ts';

/** The API refused a request. The message names URL, method, status, code, detail and what is wrong with which field. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;
  /** `errorCode` of the error body; empty where the answer was none of the API's. */
  readonly code: string;
  readonly detail: string;

  constructor(method: string, url: string, status: number, body: Partial<ErrorBody>) {
    const code = body.errorCode ?? '';
    const detail = body.detail ?? '';
    const fields = body.badRequestDetail?.fields ?? [];
    const reason = body.reason === undefined ? '' : ` ${body.reason}`;
    super(
      `${url} ${method}: HTTP ${status}${reason}` +
        (code === '' ? '' : ` (Error code: "${code}")`) +
        (detail === '' ? '' : ` Detail: ${detail}`) +
        fields.map(({ field, description }) => `\n  ${field}: ${description}`).join(''),
    );
    this.status = status;
    this.code = code;
    this.detail = detail;
  }
}

/** No answer came. The message names the URL and the reason. */
export class UnreachableError extends Error {
  override readonly name = 'UnreachableError';

  constructor(url: string, cause: unknown) {
    const { code, message } = cause as { code?: string; message: string };
    const reason =
      code === 'ECONNREFUSED'
        ? 'connection refused: is the server running, and is the base URL right?'
        : message;
    super(`${url}: no answer: ${reason}`, { cause });
  }
}

/** @param response one with a status of 400 or more */
export function errorOfResponse(method: string, url: string, response: ApiResponse): ApiError {
  const { body } = response;
  const known = typeof body === 'object' && body !== null ? body : {};
  return new ApiError(method, url, response.status, known);
}
