import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

import { BSON, type Document } from 'mongodb';

const HOST = '127.0.0.1';
const OP_MSG = 2013;
/** The first message of a connection, and what answers it. */
const OP_QUERY = 2004;
const OP_REPLY = 1;
/** Length, request, what is answered, and kind of a message; then flags, and the kind of its first section. */
const HEADER_BYTES = 16;
const BODY_AT = HEADER_BYTES + 4 + 1;

/** With `ok: 1` unless it says otherwise; `null` lets the command pass; `cut` breaks the connection. */
export type Answer = Document | null | 'cut';

/** What is answered instead of the server, by the names of commands: the first of a connection is `ismaster`. */
export type Answers = Readonly<
  Record<string, Document | ((command: Document) => Answer | Promise<Answer>)>
>;

/**
 * Stands before a server and answers some commands itself, as a server would that this one is not: with
 * another configuration, for example. Everything else passes. Source: MongoDB wire protocol, OP_MSG,
 * OP_QUERY and OP_REPLY.
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
    let turn = Promise.resolve();
    const pass = async (message: Buffer): Promise<void> => {
      const answer = await answerTo(message, answers);
      if (answer === null) upstream.write(message);
      else if (answer === 'cut') client.destroy();
      else client.write(answer);
    };
    client.on('data', (bytes) => {
      received = Buffer.concat([received, bytes]);
      while (received.length >= 4 && received.length >= received.readInt32LE(0)) {
        const message = received.subarray(0, received.readInt32LE(0));
        received = received.subarray(message.length);
        turn = turn.then(() => pass(message));
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

async function answerTo(message: Buffer, answers: Answers): Promise<Buffer | null | 'cut'> {
  const at = bodyOf(message);
  if (at === null) return null;
  const body = message.subarray(at, at + message.readInt32LE(at));
  const command = { ...BSON.deserialize(body), ...sequenceAfter(message, at + body.length) };
  const [name = ''] = Object.keys(command);
  const found = answers[name];
  const answer: Answer = typeof found === 'function' ? await found(command) : (found ?? null);
  if (answer === null || answer === 'cut') return answer;
  const reply = BSON.serialize({ ok: 1, ...answer });
  const isMessage = message.readInt32LE(12) === OP_MSG;
  // Of OP_REPLY: flags, a cursor, where it starts, and how many documents it has.
  const head = Buffer.alloc(isMessage ? BODY_AT : HEADER_BYTES + 20);
  head.writeInt32LE(head.length + reply.length, 0);
  head.writeInt32LE(message.readInt32LE(4), 8);
  head.writeInt32LE(isMessage ? OP_MSG : OP_REPLY, 12);
  if (!isMessage) head.writeInt32LE(1, head.length - 4);
  return Buffer.concat([head, reply]);
}

/** The documents of a write that are not in its command but behind it, by the name of their field. */
function sequenceAfter(message: Buffer, at: number): Document {
  if (message[at] !== 1) return {};
  // Its kind, its size from there on, and the name up to its end.
  const end = at + 1 + message.readInt32LE(at + 1);
  const nameAt = at + 1 + 4;
  const named = message.indexOf(0, nameAt);
  const documents: Document[] = [];
  for (let next = named + 1; next < end; next += message.readInt32LE(next)) {
    documents.push(BSON.deserialize(message.subarray(next, next + message.readInt32LE(next))));
  }
  return { [message.toString('utf8', nameAt, named)]: documents };
}

/** Where the command begins in a message, or null. */
function bodyOf(message: Buffer): number | null {
  const kind = message.readInt32LE(12);
  if (kind === OP_MSG) return message[BODY_AT - 1] === 0 ? BODY_AT : null;
  // Flags, the name of a collection up to its end, how many to skip, how many to return.
  return kind === OP_QUERY ? message.indexOf(0, HEADER_BYTES + 4) + 1 + 8 : null;
}
