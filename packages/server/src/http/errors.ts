import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { UNAUTHORIZED_BODY } from '@linkspan/contract/api/errors.ts';
import { ApiError, apiError, unavailable } from '@linkspan/contract/serving/apiError.ts';
import { StoreUnavailableError } from '../store/store.ts';
import { BearerRefusedError } from './authenticate.ts';
import { MAX_API_BODY_BYTES } from '@linkspan/contract/serving/body.ts';
import { ChallengeError, challengeHeader } from '@linkspan/contract/serving/digest.ts';
import type { Nonces } from '@linkspan/contract/serving/nonces.ts';
import { presentationOf, queryOf, writeError } from '@linkspan/contract/serving/presentation.ts';

/** The longest part of a path, in characters. */
export const MAX_PATH_PARAMETER = 1000;

/** RFC 6750, section 3.1. */
const BEARER_REFUSED = 'Bearer error="invalid_token"';

/** The one place where errors become answers. */
export function answerError(
  error: FastifyError | Error,
  request: FastifyRequest,
  reply: FastifyReply,
  nonces: Nonces,
): FastifyReply {
  if (error instanceof ChallengeError) {
    const { stale } = error;
    return answerUnauthorized(challengeHeader(nonces.issue(), stale), reply);
  }
  if (error instanceof BearerRefusedError) return answerUnauthorized(BEARER_REFUSED, reply);
  const answer = toApiError(error, request);
  const presentation = presentationOf(queryOf(request.raw.url ?? ''));
  if (answer.retryAfterSeconds !== null) reply.header('Retry-After', answer.retryAfterSeconds);
  return reply
    .code(answer.status)
    .header('X-Error-Code', answer.code)
    .header('Vary', 'Accept-Encoding')
    .header('Content-Type', 'application/json')
    .send(writeError(answer, presentation));
}

/** The recorded answer without credentials: no header and no body tells what was wrong. */
function answerUnauthorized(challenge: string, reply: FastifyReply): FastifyReply {
  return reply
    .code(401)
    .header('WWW-Authenticate', challenge)
    .header('Vary', 'Accept-Encoding')
    .header('Content-Type', 'application/json')
    .send(Buffer.from(UNAUTHORIZED_BODY));
}

function toApiError(error: FastifyError | Error, request: FastifyRequest): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof StoreUnavailableError) {
    request.log.error({ err: error }, 'the store failed');
    return unavailable('The store does not answer. Try again later.', 5);
  }
  const code = 'code' in error ? error.code : '';
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
    return apiError('PAYLOAD_TOO_LARGE', `${MAX_API_BODY_BYTES}`);
  }
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') {
    return apiError('UNSUPPORTED_MEDIA_TYPE', request.headers['content-type'] ?? '');
  }
  if (code === 'FST_ERR_MAX_PARAM_LENGTH') {
    return apiError('INVALID_PATH_PARAMETER', `(longer than ${MAX_PATH_PARAMETER} characters)`);
  }
  const status = 'statusCode' in error ? error.statusCode : undefined;
  if (status !== undefined && status >= 400 && status < 500) {
    return apiError('VALIDATION_ERROR', error.message);
  }
  request.log.error({ err: error }, 'a request failed');
  return apiError('UNEXPECTED_ERROR');
}
