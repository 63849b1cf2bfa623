import { connect } from 'node:net';

/** An answer as it stood on the wire. */
export interface WireAnswer {
  readonly status: number;
  /** Names in lower case; values of a repeated header are joined by commas. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
}

/** What came of bytes that were sent: answers in order, and why no more of them came. */
export interface Exchange {
  readonly answers: readonly WireAnswer[];
  /** `malformed`: what came is no HTTP answer. */
  readonly end: 'closed' | 'late' | 'malformed';
}

export interface Sending {
  readonly host: string;
  readonly port: number;
  readonly bytes: Buffer;
  /** Closes the sending side afterwards, so that a server waits for nothing more. */
  readonly halfClose: boolean;
  /** True for HEAD: the answer's length is that of a body which does not come. */
  readonly isHead: boolean;
  /** After so long without an end the exchange is late, in milliseconds. */
  readonly deadlineMs: number;
}

/** Sends bytes over a socket of their own and reads whatever comes until the server closes it. */
export function exchange(sending: Sending): Promise<Exchange> {
  const { host, port, bytes, halfClose, isHead, deadlineMs } = sending;
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const socket = connect({ host, port, allowHalfOpen: true, noDelay: true });
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      socket.destroy();
    }, deadlineMs);
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    // The server may close while a body that it does not want is still on its way.
    socket.on('error', () => socket.destroy());
    socket.on('end', () => socket.destroy());
    socket.on('close', () => {
      clearTimeout(timer);
      const { answers, isWhole } = readAnswers(Buffer.concat(chunks), isHead);
      const end = isLate ? 'late' : isWhole ? 'closed' : 'malformed';
      resolve({ answers, end });
    });
    if (halfClose) socket.end(bytes);
    else socket.write(bytes);
  });
}

/** All answers in what a server sent, interim ones left out. */
export function readAnswers(
  bytes: Buffer,
  isHead: boolean,
): { readonly answers: WireAnswer[]; readonly isWhole: boolean } {
  const answers: WireAnswer[] = [];
  let at = 0;
  while (at < bytes.length) {
    const headEnd = bytes.indexOf('\r\n\r\n', at);
    if (headEnd === -1) return { answers, isWhole: false };
    const [statusLine = '', ...lines] = bytes.toString('latin1', at, headEnd).split('\r\n');
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(statusLine)?.[1] ?? Number.NaN);
    if (Number.isNaN(status)) return { answers, isWhole: false };
    at = headEnd + 4;
    if (status < 200) continue;
    const headers = readHeaders(lines);
    const isBodiless = isHead || status === 204 || status === 304;
    const read = isBodiless ? { body: Buffer.alloc(0), end: at } : readBody(bytes, at, headers);
    if (read === null) return { answers, isWhole: false };
    answers.push({ status, headers, body: read.body });
    at = read.end;
  }
  return { answers, isWhole: true };
}

function readHeaders(lines: readonly string[]): Map<string, string> {
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    const known = headers.get(name);
    headers.set(name, known === undefined ? value : `${known}, ${value}`);
  }
  return headers;
}

function readBody(
  bytes: Buffer,
  start: number,
  headers: ReadonlyMap<string, string>,
): { readonly body: Buffer; readonly end: number } | null {
  if (headers.get('transfer-encoding')?.toLowerCase() === 'chunked') {
    return readChunks(bytes, start);
  }
  const length = headers.get('content-length');
  const end = length === undefined ? bytes.length : start + Number(length);
  return end > bytes.length ? null : { body: bytes.subarray(start, end), end };
}

function readChunks(
  bytes: Buffer,
  start: number,
): { readonly body: Buffer; readonly end: number } | null {
  const chunks: Buffer[] = [];
  let at = start;
  for (;;) {
    const lineEnd = bytes.indexOf('\r\n', at);
    if (lineEnd === -1) return null;
    const size = Number.parseInt(bytes.toString('latin1', at, lineEnd), 16);
    const end = lineEnd + 2 + size;
    if (Number.isNaN(size) || end + 2 > bytes.length) return null;
    if (size === 0) return { body: Buffer.concat(chunks), end: end + 2 };
    chunks.push(bytes.subarray(lineEnd + 2, end));
    at = end + 2;
  }
}
