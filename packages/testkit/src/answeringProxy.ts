import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

import { BSON, type Document } from 'mongodb';

const HOST = '127.0.0.1';
const OP_MSG = 2013;
/** Length, request, what is answered, and kind of a message; then flags, and the kind of its first section. */
const HEADER_BYTES = 16;
const BODY_AT = HEADER_BYTES + 4 + 1;

/**
 * What is answered instead of the server, by the names of commands; a function is asked for each, and
 * null lets the server answer. `ok` is 1 unless it is there.
 */
export type Answers = Readonly<Record<string, Document | ((command: Document) => Document | null)>>;

/**
 * Stands before a server and answers some commands itself, as a server would that this one is not: with
 * another configuration, for example. Everything else passes. Source: MongoDB wire protocol, OP_MSG.
 */
export async function startAnsweringProxy(
  port: number,
  answers: Answers,
): Promise<AsyncDisposable & { readonly port: number }> {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(port, HOST);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
      // One side that breaks ends the other.
      socket.on('error', () => undefined);
    }
    client.once('close', () => upstream.destroy());
    upstream.once('close', () => client.destroy());
    upstream.pipe(client);
    let received = Buffer.alloc(0);
    client.on('data', (bytes) => {
      received = Buffer.concat([received, bytes]);
      while (received.length >= 4 && received.length >= received.readInt32LE(0)) {
        const message = received.subarray(0, received.readInt32LE(0));
        received = received.subarray(message.length);
        const answer = answerTo(message, answers);
        if (answer === null) upstream.write(message);
        else client.write(answer);
      }
    });
  });
  server.listen(0, HOST);
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

function answerTo(message: Buffer, answers: Answers): Buffer | null {
  if (message.readInt32LE(12) !== OP_MSG || message[BODY_AT - 1] !== 0) return null;
  const command = BSON.deserialize(message.subarray(BODY_AT));
  const found = answers[Object.keys(command)[0] ?? ''];
  const answer = typeof found === 'function' ? found(command) : found;
  if (answer === undefined || answer === null) return null;
  const body = BSON.serialize({ ok: 1, ...answer });
  const head = Buffer.alloc(BODY_AT);
  head.writeInt32LE(BODY_AT + body.length, 0);
  head.writeInt32LE(message.readInt32LE(4), 8);
  head.writeInt32LE(OP_MSG, 12);
  return Buffer.concat([head, body]);
}
