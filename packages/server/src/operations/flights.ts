import { setTimeout as delay } from 'node:timers/promises';
import { unavailable } from '@linkspan/contract/serving/apiError.ts';
import type { Log } from './context.ts';
import { Periodic } from './periodic.ts';

/** Waits between two attempts to prove that nothing is left, in milliseconds. */
const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 10_000;

/** How often a node looks for what nobody is at, in milliseconds. */
const TAKE_UP_EVERY_MS = 5000;

/** Something that goes on until it is proven, whoever waits for it. */
export interface Flight {
  /** Settles when it is proven; rejects only when the server stops. */
  readonly done: Promise<void>;
  /** The cluster that the last attempt could prove nothing for, or null. */
  readonly unprovenCluster: string | null;
  /** What was in the way there, for people, if that is known. */
  readonly obstacle: string | null;
}

export interface FlightPlan {
  /** For the log: fields, and what is not proven yet. */
  readonly about: object;
  readonly pending: string;
  /** @returns null once it is proven, else the cluster that it is not proven for, if that is known */
  readonly attempt: (
    signal: AbortSignal,
  ) => Promise<{ readonly unprovenCluster: string | null; readonly obstacle?: string } | null>;
}

/**
 * Proofs that no write is left under way (rules C2, C3). One flight a key, joined by every request that
 * comes meanwhile, cancelled by none; it goes on in the background after their answers.
 */
export class Flights {
  readonly #log: Log;
  readonly #flights = new Map<string, Flight>();
  readonly #stop = new AbortController();

  constructor(log: Log) {
    this.#log = log;
  }

  /** Stops trying. What was not proven is for the next start to take up. */
  async close(): Promise<void> {
    this.#stop.abort(new Error('the server is stopping'));
    await Promise.allSettled([...this.#flights.values()].map((flight) => flight.done));
  }

  join(key: string, plan: FlightPlan): Flight {
    const running = this.#flights.get(key);
    if (running !== undefined) return running;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const flight = { done: promise, unprovenCluster: null, obstacle: null };
    this.#flights.set(key, flight);
    // A flight without a waiting request still ends; its rejection is only the server's stop.
    promise.catch(() => {});
    this.#fly(plan, flight)
      .finally(() => this.#flights.delete(key))
      .then(resolve, reject);
    return flight;
  }

  /**
   * Waits for a flight.
   * @returns false if it is not proven in time
   * @throws {ApiError} 503 when the server stops
   */
  async wait(flight: Flight, milliseconds: number): Promise<boolean> {
    const waiting = new AbortController();
    const late = Symbol('late');
    const outcome = await Promise.race([
      flight.done.catch(() => {
        throw unavailable('The server is stopping; this goes on when it is up again.', 5);
      }),
      delay(milliseconds, late, { signal: waiting.signal }),
    ]).finally(() => waiting.abort());
    return outcome !== late;
  }

  async #fly(
    { about, pending, attempt }: FlightPlan,
    flight: { unprovenCluster: string | null; obstacle: string | null },
  ): Promise<void> {
    const { signal } = this.#stop;
    for (let wait = FIRST_RETRY_MS; ; wait = Math.min(wait * 2, LONGEST_RETRY_MS)) {
      signal.throwIfAborted();
      try {
        const unproven = await attempt(signal);
        flight.unprovenCluster = unproven?.unprovenCluster ?? null;
        flight.obstacle = unproven?.obstacle ?? null;
        if (unproven === null) return;
      } catch (error) {
        signal.throwIfAborted();
        this.#log.error(
          { ...about, err: error },
          'an attempt to prove that no write is left failed',
        );
      }
      this.#log.warn({ ...about, cluster: flight.unprovenCluster }, pending);
      await delay(wait, undefined, { signal });
    }
  }
}

/**
 * Looks, once it is started, for flights that an earlier process or another node did not finish.
 * @param what they are, for the log
 */
export function takeUps(log: Log, what: string, takeUp: () => Promise<void>): Periodic {
  return new Periodic(TAKE_UP_EVERY_MS, async () => {
    try {
      await takeUp();
    } catch (error) {
      log.warn({ err: error }, `${what} cannot be looked for now`);
    }
  });
}
