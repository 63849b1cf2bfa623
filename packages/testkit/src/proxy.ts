import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

const HOST = '127.0.0.1';

/** A slow connection passes its bytes on in steps of so many milliseconds. */
const STEP_MS = 50;

/** What is received and cannot be passed on yet, in bytes, until the sender feels it. */
const QUEUE_BYTES = 256 * 1024;

/** Up: from the client to the server. Down: back. */
export type Direction = 'up' | 'down';

/**
 * A network between two processes, with faults: a TCP proxy on a port of 127.0.0.1. Every fault lasts
 * until {@link heal}, and is the same for all connections.
 */
export interface Proxy extends AsyncDisposable {
  /** Stays the same for the life of the proxy. */
  readonly port: number;
  /** Connections that are open on the client's side. */
  readonly connections: number;
  /** Bytes that were passed on so far. */
  readonly passed: Readonly<Record<Direction, number>>;
  /** Bytes that were received and not passed on yet. */
  readonly held: number;
  /** Resets every connection; new ones pass. */
  cut(): void;
  /**
   * Lets so many bytes more pass in that direction, all connections together, then resets the
   * connection that carried the last of them: once.
   */
  resetAfter(direction: Direction, bytes: number): void;
  /** Passes on at most so many bytes a second in each direction, all connections together. */
  slowDown(bytesPerSecond: number): void;
  /** Nothing passes any more, and nobody is told: connections stay, new ones are taken. */
  freeze(): void;
  /**
   * Resets the clients' side of every connection. The servers' side stays and is given what the
   * clients had sent: while frozen, only once it is healed, after whatever was sent since.
   */
  abandon(): void;
  /**
   * What clients send over the connections that are open now is held back, also after they have gone; new
   * connections pass.
   */
  hold(): void;
  /** Resets every connection and refuses new ones. */
  refuse(): Promise<void>;
  /** Ends all faults. */
  heal(): Promise<void>;
}

interface Pair {
  readonly client: Socket;
  readonly upstream: Socket;
  isHeld: boolean;
}

/**
 * Starts a proxy before a port of 127.0.0.1.
 * @param target where it passes everything on to; a function for one that is not known yet
 * @param port its own; a free one if absent
 */
export async function startProxy(target: number | (() => number), port = 0): Promise<Proxy> {
  const pairs = new Set<Pair>();
  const stopped = new Set<Pair>();
  const passed = { up: 0, down: 0 };
  let got = 0;
  let frozen: PromiseWithResolvers<void> | null = null;
  let holding: PromiseWithResolvers<void> | null = null;
  let bytesPerSecond: number | null = null;
  let fuse: { direction: Direction; bytes: number } | null = null;
  let turn: Promise<unknown> = Promise.resolve();

  /** Takes its share of a slow network: one piece of all connections at a time. */
  const share = (bytes: number): Promise<void> => {
    const mine = turn.then(async () => {
      if (bytesPerSecond !== null) await delay((bytes / bytesPerSecond) * 1000);
    });
    turn = mine;
    return mine;
  };
  const pieceBytes = (): number =>
    bytesPerSecond === null
      ? Number.MAX_SAFE_INTEGER
      : Math.max(1, (bytesPerSecond * STEP_MS) / 1000);

  const pass = async (pair: Pair, direction: Direction): Promise<void> => {
    const [from, to] =
      direction === 'up' ? [pair.client, pair.upstream] : [pair.upstream, pair.client];
    const isHeld = (): boolean => frozen !== null || (pair.isHeld && direction === 'up');
    const released = async (): Promise<void> => {
      while (isHeld()) await (frozen ?? holding)?.promise;
    };
    from.on('data', ({ length }: Buffer) => {
      got += length;
    });
    for await (const chunk of received(from, isHeld)) {
      for (let at = 0; at < chunk.length;) {
        await released();
        let piece = chunk.subarray(at, at + pieceBytes());
        await share(piece.length);
        await released();
        const burning = fuse?.direction === direction ? fuse : null;
        if (burning !== null) piece = piece.subarray(0, burning.bytes);
        at += piece.length;
        passed[direction] += piece.length;
        // Read on for one that has gone: a sender that is stuck in a large answer would never learn of it.
        if (to.destroyed) break;
        if (piece.length > 0 && !to.write(piece)) await writable(to);
        if (burning === null) continue;
        burning.bytes -= piece.length;
        if (burning.bytes > 0) continue;
        fuse = null;
        from.resetAndDestroy();
        to.resetAndDestroy();
        return;
      }
    }
    await released();
    to.end();
  };
  const take = (client: Socket): void => {
    const upstream = connect(typeof target === 'number' ? target : target(), HOST);
    const pair = { client, upstream, isHeld: false };
    pairs.add(pair);
    for (const socket of [client, upstream]) socket.setNoDelay(true);
    client.on('error', () => undefined);
    upstream.on('error', () => client.resetAndDestroy());
    client.once('close', () => pairs.delete(pair));
    void pass(pair, 'up');
    void pass(pair, 'down');
  };
  const listen = async (at: number): Promise<Server> => {
    const listening = createServer({ allowHalfOpen: true }, take).listen(at, HOST);
    await once(listening, 'listening');
    return listening;
  };
  const cut = (): void => {
    for (const { client, upstream } of pairs) {
      client.resetAndDestroy();
      upstream.resetAndDestroy();
    }
  };

  let server: Server | null = await listen(port);
  const own = (server.address() as AddressInfo).port;
  const refuse = async (): Promise<void> => {
    const listening = server;
    server = null;
    cut();
    if (listening === null) return;
    const closed = once(listening, 'close');
    listening.close();
    await closed;
  };
  const release = (): void => {
    frozen?.resolve();
    frozen = null;
    for (const pair of stopped) pair.isHeld = false;
    stopped.clear();
    holding?.resolve();
    holding = null;
  };
  const heal = async (): Promise<void> => {
    bytesPerSecond = null;
    fuse = null;
    release();
    server ??= await listen(own);
  };
  return {
    port: own,
    get connections() {
      return pairs.size;
    },
    passed,
    get held() {
      return got - passed.up - passed.down;
    },
    cut,
    resetAfter(direction, bytes) {
      fuse = { direction, bytes };
    },
    slowDown(rate) {
      bytesPerSecond = rate;
    },
    freeze() {
      frozen ??= Promise.withResolvers<void>();
    },
    abandon() {
      for (const { client } of pairs) client.resetAndDestroy();
    },
    hold() {
      holding ??= Promise.withResolvers<void>();
      for (const pair of pairs) {
        pair.isHeld = true;
        stopped.add(pair);
      }
    },
    refuse,
    heal,
    async [Symbol.asyncDispose]() {
      await refuse();
      release();
    },
  };
}

/** What a socket receives up to its end, however it ends: what it sent goes on also after it has gone. */
async function* received(socket: Socket, isHeld: () => boolean): AsyncGenerator<Buffer, void> {
  const queue: Buffer[] = [];
  let bytes = 0;
  let ended = false;
  let changed = Promise.withResolvers<void>();
  const end = (): void => {
    ended = true;
    changed.resolve();
  };
  socket.on('data', (chunk: Buffer) => {
    queue.push(chunk);
    bytes += chunk.length;
    if (bytes > QUEUE_BYTES && !isHeld()) socket.pause();
    changed.resolve();
  });
  socket.once('end', end);
  socket.once('close', end);
  for (;;) {
    const chunk = queue.shift();
    if (chunk !== undefined) {
      bytes -= chunk.length;
      yield chunk;
      if (bytes <= QUEUE_BYTES) socket.resume();
    } else if (ended) {
      return;
    } else {
      await changed.promise;
      changed = Promise.withResolvers<void>();
    }
  }
}

async function writable(socket: Socket): Promise<void> {
  const gone = new AbortController();
  socket.once('close', () => gone.abort());
  await once(socket, 'drain', { signal: gone.signal }).catch(() => undefined);
}
