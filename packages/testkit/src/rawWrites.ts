import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

import { deserialize, serialize } from 'bson';

const OP_MSG = 2013;
const HEADER_BYTES = 16;

/**
 * Inserts bytes as they are, for documents that no driver can make: strings that are not UTF-8, dates
 * beyond JavaScript's, types that drivers have given up. One OP_MSG for all of them, to a server
 * without authentication.
 * @param host `host:port` of the primary
 * @throws {Error} with the reply if anything was refused
 */
export async function insertRaw(
  host: string,
  { db, coll }: { readonly db: string; readonly coll: string },
  documents: readonly Uint8Array[],
): Promise<void> {
  const body = serialize({ insert: coll, $db: db, writeConcern: { w: 'majority', j: true } });
  const name = Buffer.from('documents\0');
  const size = Buffer.alloc(4);
  size.writeInt32LE(4 + name.length + documents.reduce((sum, { length }) => sum + length, 0));
  const kinds = [Buffer.from([0]), body, Buffer.from([1]), size, name, ...documents];
  const header = Buffer.alloc(HEADER_BYTES + 4);
  header.writeInt32LE(header.length + kinds.reduce((sum, { length }) => sum + length, 0));
  header.writeInt32LE(1, 4);
  header.writeInt32LE(OP_MSG, 12);
  const [hostname, port] = host.split(':');
  const socket = connect(Number(port), hostname);
  try {
    await once(socket, 'connect');
    socket.write(Buffer.concat([header, ...kinds]));
    const reply = deserialize((await readMessage(socket)).subarray(HEADER_BYTES + 5));
    if (reply['ok'] !== 1 || reply['writeErrors'] !== undefined) {
      throw new Error(`the insert was refused: ${JSON.stringify(reply)}`);
    }
  } finally {
    socket.destroy();
  }
}

async function readMessage(socket: Socket): Promise<Buffer> {
  let received = Buffer.alloc(0);
  for await (const piece of socket as AsyncIterable<Buffer>) {
    received = Buffer.concat([received, piece]);
    if (received.length >= 4 && received.length >= received.readInt32LE(0)) return received;
  }
  throw new Error('the connection was closed before the reply');
}
