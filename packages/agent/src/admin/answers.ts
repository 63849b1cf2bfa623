import { ConfigurationError } from '@linkspan/contract/options/declare.ts';
import { UNAUTHORIZED_BODY } from '@linkspan/contract/api/errors.ts';
import {
  ApiError,
  apiError,
  attributeError,
  unavailable,
} from '@linkspan/contract/serving/apiError.ts';
import { MAX_API_BODY_BYTES } from '@linkspan/contract/serving/body.ts';
import { ChallengeError, challengeHeader } from '@linkspan/contract/serving/digest.ts';
import type { Nonces } from '@linkspan/contract/serving/nonces.ts';
import { presentationOf, queryOf, writeError } from '@linkspan/contract/serving/presentation.ts';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';

import { ServerUnreachableError } from '../link/errors.ts';
import { LinkRefusedError, PushRefusedError } from '../push/errors.ts';

/** The longest part of a path, in characters. */
export const MAX_PATH_PARAMETER = 1000;

const RETRY_AFTER_SECONDS = 5;

/** The one place where errors of the admin port become answers. */
export function answerError(
  error: FastifyError | Error,
  request: FastifyRequest,
  reply: FastifyReply,
  nonces: Nonces,
): FastifyReply {
  reply.header('Content-Type', 'application/json');
  if (error instanceof ChallengeError) {
    return reply
      .code(401)
      .header('WWW-Authenticate', challengeHeader(nonces.issue(), error.stale))
      .header('Vary', 'Accept-Encoding')
      .send(Buffer.from(UNAUTHORIZED_BODY));
  }
  const answer = toApiError(error, request);
  if (answer.retryAfterSeconds !== null) reply.header('Retry-After', answer.retryAfterSeconds);
  return reply
    .code(answer.status)
    .header('X-Error-Code', answer.code)
    .send(writeError(answer, presentationOf(queryOf(request.raw.url ?? ''))));
}

function toApiError(error: FastifyError | Error, request: FastifyRequest): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof ServerUnreachableError) {
    const detail = `The link is not made yet: ${error.message}. Send the same link-token again.`;
    return unavailable(detail, RETRY_AFTER_SECONDS);
  }
  if (
    error instanceof ConfigurationError ||
    error instanceof LinkRefusedError ||
    error instanceof PushRefusedError
  ) {
    const reason = error.message.replace(/\.$/, '');
    return attributeError('VALIDATION_ERROR', 'linkToken', reason, [reason]);
  }
  const code = 'code' in error ? error.code : '';
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
    return apiError('PAYLOAD_TOO_LARGE', `${MAX_API_BODY_BYTES}`);
  }
  if (code === 'FST_ERR_MAX_PARAM_LENGTH') {
    return apiError('INVALID_PATH_PARAMETER', `(longer than ${MAX_PATH_PARAMETER} characters)`);
  }
  const status = 'statusCode' in error ? error.statusCode : undefined;
  if (status !== undefined && status >= 400 && status < 500) {
    return apiError('VALIDATION_ERROR', error.message);
  }
  request.log.error({ reason: error.message }, 'a request of the source side failed');
  return apiError('UNEXPECTED_ERROR');
}
