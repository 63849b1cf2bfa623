import { STATUS_CODES } from 'node:http';

import { InvalidBsonError } from '@linkspan/contract/bson/raw.ts';
import { PUSH_ERRORS, type PushErrorCode } from '@linkspan/contract/push/errors.ts';
import type { FastifyReply } from 'fastify';
import type { Logger } from 'pino';

import { DigestCursorLostError } from '../destination/digest.ts';
import {
  DestinationRefusedError,
  DestinationUnavailableError,
  NamespaceGoneError,
  StructureRefusedError,
} from '../destination/errors.ts';
import { StoreUnavailableError } from '../store/store.ts';

/** An error of the push protocol. The message is for people and holds no secret. */
export class PushError extends Error {
  override readonly name = 'PushError';
  readonly code: PushErrorCode;

  constructor(code: PushErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** What a push of a paused migration is answered with. */
export const PAUSED = new PushError(
  'MIGRATION_PAUSED',
  'The live migration is paused: it goes on after resume.',
);

/** What hosts of a link are told that came back with a backup (rule C8). */
export const LINK_SUSPENDED = new PushError(
  'LINK_SUSPENDED',
  'The server was restored from a backup: an organization owner has to confirm the link first.',
);

const RETRY_AFTER_SECONDS = '1';

/** The one place where an error becomes an answer: the API's error body with a push error's code. */
export async function answerPushError(
  error: unknown,
  reply: FastifyReply,
  log: Logger,
): Promise<FastifyReply> {
  const { code, message } = toPushError(error, log);
  const { status, retry } = PUSH_ERRORS[code];
  if (retry) reply.header('retry-after', RETRY_AFTER_SECONDS);
  return reply.code(status).header('x-error-code', code).send({
    detail: message,
    error: status,
    errorCode: code,
    parameters: null,
    reason: STATUS_CODES[status],
  });
}

function toPushError(error: unknown, log: Logger): { code: PushErrorCode; message: string } {
  if (error instanceof PushError) return error;
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof DestinationUnavailableError) {
    return { code: 'DESTINATION_UNAVAILABLE', message };
  }
  if (error instanceof DestinationRefusedError) return { code: 'DESTINATION_REFUSED', message };
  if (error instanceof NamespaceGoneError) return { code: 'NAMESPACE_GONE', message };
  if (error instanceof StructureRefusedError) return { code: 'STRUCTURE_REFUSED', message };
  if (error instanceof DigestCursorLostError) return { code: 'DIGEST_CURSOR_LOST', message };
  if (error instanceof InvalidBsonError) return { code: 'MESSAGE_INVALID', message };
  if (isClientError(error)) return { code: 'MESSAGE_INVALID', message };
  const known = error instanceof StoreUnavailableError;
  log.error({ err: error }, known ? 'the store does not answer' : 'a push request failed');
  return {
    code: 'STORE_UNAVAILABLE',
    message: 'The server cannot answer this now; its log says why.',
  };
}

/** What the HTTP framework says of a body: too large, cut short, of a wrong length. */
function isClientError(error: unknown): boolean {
  const { statusCode } = error as { statusCode?: unknown };
  return typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500;
}
