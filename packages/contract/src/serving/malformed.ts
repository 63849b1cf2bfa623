import type { Socket } from 'node:net';
import { apiError } from './apiError.ts';
import { writeError } from './presentation.ts';

/** Bytes that are no HTTP request. There is no request to answer, only the socket. */
export function answerMalformed(socket: Socket): void {
  if (!socket.writable) return;
  const body = writeError(apiError('VALIDATION_ERROR', 'the HTTP request is malformed'), {
    envelope: false,
    pretty: false,
  });
  socket.end(
    `HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close\r\nX-Error-Code: VALIDATION_ERROR\r\n\r\n${body.toString()}`,
  );
}
