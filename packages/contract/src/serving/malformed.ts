import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { type ApiError, apiError } from './apiError.ts';
import { writeError } from './presentation.ts';

/**
 * Bytes that are no HTTP request, or one that does not come to an end. There is no request to answer,
 * only the socket.
 * @param code of Node's error
 */
export function answerMalformed(socket: Socket, code?: string): void {
  if (!socket.writable) return;
  // Where TLS itself has failed, nothing can be said over it.
  if (/^ERR_(?:SSL|TLS)_/.test(code ?? '')) {
    socket.destroy();
    return;
  }
  const answer = toApiError(code);
  const body = writeError(answer, { envelope: false, pretty: false });
  socket.end(
    `HTTP/1.1 ${answer.status} ${STATUS_CODES[answer.status]}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close\r\nX-Error-Code: ${answer.code}\r\n\r\n${body.toString()}`,
  );
}

function toApiError(code: string | undefined): ApiError {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return apiError('REQUEST_HEADERS_TOO_LARGE');
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return apiError('REQUEST_TIMEOUT');
    default:
      return apiError('VALIDATION_ERROR', 'the HTTP request is malformed');
  }
}
