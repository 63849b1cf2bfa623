/** A moment by both clocks of this process, in milliseconds. */
export interface Moment {
  /** Since 1970; a person or the network may set it. */
  readonly wall: number;
  /** Since any moment: it goes on evenly while the machine runs. */
  readonly monotonic: number;
}

export function thisMoment(): Moment {
  return { wall: Date.now(), monotonic: performance.now() };
}

/** Clocks that went apart by more were set, or one of them stood still. */
const STEP_MS = 5000;

/** Nobody was there to hear for so long that hosts may look silent: this process stood still, or its store did. */
const DEAF_MS = 30_000;

/**
 * Since when a process has been able to hear of migration hosts without a break. How long ago a host was
 * last heard of says nothing before that: while the process or its machine stood still, while the host was
 * refused because its link waits for an owner, or after the wall clock was set, all of them look silent.
 */
export class Listening {
  #since: number;
  #last: Moment;
  /** By link, when it was last known to wait for an owner. */
  readonly #refused = new Map<string, number>();

  constructor(now: Moment) {
    this.#since = now.monotonic;
    this.#last = now;
  }

  /** To be told regularly, every few seconds. @returns false for a break: it begins anew */
  goesOn(now: Moment): boolean {
    const passed = now.monotonic - this.#last.monotonic;
    const stepped = now.wall - this.#last.wall - passed;
    this.#last = now;
    if (passed <= DEAF_MS && Math.abs(stepped) <= STEP_MS) return true;
    this.startAnew(now);
    return false;
  }

  startAnew(now: Moment): void {
    this.#since = now.monotonic;
  }

  /** Hosts of these links are refused at that moment. */
  refuses(linkIds: readonly string[], now: Moment): void {
    for (const id of linkIds) this.#refused.set(id, now.monotonic);
    for (const [id, at] of this.#refused) if (at < this.#since) this.#refused.delete(id);
  }

  /** How long hosts of that link could be heard, in milliseconds. */
  heardMs(linkId: string, now: Moment): number {
    return now.monotonic - Math.max(this.#since, this.#refused.get(linkId) ?? this.#since);
  }
}
