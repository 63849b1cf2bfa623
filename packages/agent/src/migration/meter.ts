import type { DocumentsReply } from '@linkspan/contract/push/session.ts';
import { acceptedOf } from '../push/pusher.ts';

/** Rates and what holds a migration back are taken over so long, in milliseconds. */
const WINDOW_MS = 60_000;

/** What a shorter time shows is chance, in milliseconds. */
const SHORTEST_MS = 3000;

/**
 * What a step waited for: `source`, for documents or for the change stream to pass a read; `push`, for
 * what was pushed before to be acknowledged; `throttle`, until its throttle lets it push more.
 */
export type Wait = 'source' | 'push' | 'throttle';

/** Counters of the journal, and what is known beside it, at one moment. */
export interface Counters {
  readonly documentsCopied: number;
  readonly bytesCopied: number;
  readonly documentsFlushed: number;
  readonly keysPending: number;
  /** Bytes sent on the wire, after compression. */
  readonly bytesSent: number;
}

/** What happened in the last minute, or since the engine started. */
export interface Window {
  readonly seconds: number;
  readonly from: Counters;
  readonly to: Counters;
  /** Bytes of documents that the destination acknowledged, copied and flushed. */
  readonly bytesPushed: number;
  /** Milliseconds that steps spent waiting, all of them together. */
  readonly waited: Readonly<Record<Wait, number>>;
  /** Milliseconds of pushes: while the destination wrote, and the rest, which is the way to it. */
  readonly destinationMs: number;
  readonly networkMs: number;
}

interface Measured {
  bytesPushed: number;
  source: number;
  push: number;
  throttle: number;
  destinationMs: number;
  networkMs: number;
}

/**
 * Measures what the engine does with its time. Nothing is kept over a restart: rates begin anew with
 * what is acknowledged then (invariant I8).
 */
export class Meter {
  readonly #now: () => number;
  readonly #total: Measured = {
    bytesPushed: 0,
    source: 0,
    push: 0,
    throttle: 0,
    destinationMs: 0,
    networkMs: 0,
  };
  readonly #running = new Set<{ readonly wait: Wait; since: number }>();
  #bytesSentElsewhere = 0;
  #samples: { readonly at: number; readonly counters: Counters; readonly total: Measured }[] = [];

  /** @param now milliseconds of a clock that only goes forward */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Bytes that other hosts have sent for this migration, after compression. */
  get bytesSentElsewhere(): number {
    return this.#bytesSentElsewhere;
  }

  /** Another host copied that many bytes of documents, and sent that many. */
  elsewhere(bytes: number, wireBytes: number): void {
    this.#total.bytesPushed += bytes;
    this.#bytesSentElsewhere += wireBytes;
  }

  /** Runs `work`, whose time is spent on waiting. */
  async waiting<T>(wait: Wait, work: () => Promise<T>): Promise<T> {
    const running = { wait, since: this.#now() };
    this.#running.add(running);
    try {
      return await work();
    } finally {
      this.#running.delete(running);
      this.#total[wait] += this.#now() - running.since;
    }
  }

  /** The same items; waiting for the next one is waiting for the source. */
  async *reading<T>(items: AsyncIterable<T>): AsyncGenerator<T, void> {
    const iterator = items[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = await this.waiting('source', () => iterator.next());
        if (next.done === true) return;
        yield next.value;
      }
    } finally {
      await iterator.return?.();
    }
  }

  /** Runs a push of documents; what was acknowledged of them counts once it has been. */
  async pushing(
    documents: readonly Uint8Array[],
    push: () => Promise<DocumentsReply>,
  ): Promise<DocumentsReply> {
    const started = this.#now();
    const reply = await push();
    const took = this.#now() - started;
    const destination = Math.min(reply.destinationMs ?? 0, took);
    for (const { length } of acceptedOf(documents, reply)) this.#total.bytesPushed += length;
    this.#total.destinationMs += destination;
    this.#total.networkMs += took - destination;
    return reply;
  }

  /**
   * Takes the counters of this moment.
   * @returns null while there is too little to tell anything from
   */
  sample(counters: Counters): Window | null {
    const at = this.#now();
    for (const running of this.#running) {
      this.#total[running.wait] += at - running.since;
      running.since = at;
    }
    this.#samples = this.#samples.filter((sample) => at - sample.at <= WINDOW_MS);
    this.#samples.push({ at, counters, total: { ...this.#total } });
    const [first] = this.#samples;
    if (first === undefined || at - first.at < SHORTEST_MS) return null;
    const since = (what: keyof Measured): number => this.#total[what] - first.total[what];
    return {
      seconds: (at - first.at) / 1000,
      from: first.counters,
      to: counters,
      bytesPushed: since('bytesPushed'),
      waited: { source: since('source'), push: since('push'), throttle: since('throttle') },
      destinationMs: since('destinationMs'),
      networkMs: since('networkMs'),
    };
  }
}
