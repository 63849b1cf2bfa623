import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { SECURITY_HEADERS } from '@linkspan/contract/serving/presentation.ts';

/** Something that everybody may read, as it is served. */
export interface PublicFile {
  readonly mediaType: string;
  readonly bytes: Buffer;
  readonly compressed: Buffer;
  /** SHA-256 of the bytes, in hex. */
  readonly hash: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** @param headers beside those that every answer has: how it may be kept, what it may load */
export function publicFile(
  bytes: Buffer,
  mediaType: string,
  headers: Readonly<Record<string, string>>,
): PublicFile {
  const hash = createHash('sha256').update(bytes).digest('hex');
  return { mediaType, bytes, compressed: gzipSync(bytes), hash, headers };
}

/** Answers with the file, or that the client has it already. */
export function answerFile(
  file: PublicFile,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  // Weak, since the bytes differ by encoding.
  const tag = `W/"${file.hash}"`;
  reply.headers({ ...SECURITY_HEADERS, ...file.headers, ETag: tag, Vary: 'Accept-Encoding' });
  if (isHeld(request.headers['if-none-match'], tag)) return reply.code(304).send();
  reply.header('Content-Type', file.mediaType);
  if (!takesGzip(request.headers['accept-encoding'])) return reply.send(file.bytes);
  return reply.header('Content-Encoding', 'gzip').send(file.compressed);
}

/** `If-None-Match` of RFC 9110, section 13.1.2. */
function isHeld(condition: string | undefined, tag: string): boolean {
  const tags = (condition ?? '').split(',').map((text) => text.trim());
  return tags.includes(tag) || tags.includes(tag.slice(2)) || tags.includes('*');
}

function takesGzip(accepted: string | undefined): boolean {
  return (accepted ?? '')
    .split(',')
    .some((coding) => /^\s*gzip\s*(;\s*q=(1|0\.\d*[1-9])\d*)?\s*$/i.test(coding));
}
