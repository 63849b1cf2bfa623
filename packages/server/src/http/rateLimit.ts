import * as rateLimitBuckets from '../store/rateLimitBuckets.ts';
import type { Store } from '../store/store.ts';

/**
 * A bucket's size and how fast it fills, in requests; capacities are documented by Atlas. Buckets of
 * one set are shared by its operations and separate for each organization, project or key.
 */
export interface RateLimitSet {
  readonly name: string;
  readonly capacity: number;
  /** Requests that come back in each `perSeconds`. */
  readonly refill: number;
  readonly perSeconds: number;
}

const set = (name: string, capacity: number, refill: number): RateLimitSet => ({
  name,
  capacity,
  refill,
  perSeconds: 60,
});

export const RATE_LIMITS = {
  systemStatus: set('systemStatus', 300, 100),
  organizations: set('organizations', 300, 100),
  organization: set('organization', 500, 250),
  organizationSettings: set('organizationSettings', 10, 5),
  organizationEvents: set('organizationEvents', 500, 250),
  apiKeys: set('apiKeys', 500, 250),
  serviceAccounts: set('serviceAccounts', 500, 250),
  /** By address and client, as recorded from Atlas. */
  accessTokens: set('accessTokens', 10, 10),
  accessTokenRevocations: set('accessTokenRevocations', 10, 10),
  liveMigrationOrganization: set('liveMigrationOrganization', 500, 250),
  /** Nothing else an organization does keeps it from removing its link-token (rule C10). */
  linkTokenRemoval: set('linkTokenRemoval', 500, 250),
  projects: set('projects', 1200, 500),
  project: set('project', 1200, 500),
  projectEvents: set('projectEvents', 300, 100),
  clusters: set('clusters', 10_000, 5000),
} as const satisfies Record<string, RateLimitSet>;

/** The same set with another size: at least one request, and one that comes back. */
export function scaled(limits: RateLimitSet, percent: number): RateLimitSet {
  const share = (requests: number): number => Math.max(1, Math.round((requests * percent) / 100));
  return { ...limits, capacity: share(limits.capacity), refill: share(limits.refill) };
}

export interface Taken {
  readonly allowed: boolean;
  /** Whole requests left. */
  readonly remaining: number;
  /** Seconds until one more is allowed; 0 while there is one. */
  readonly retryAfterSeconds: number;
}

export interface RateLimiter {
  /** Takes one request out of the bucket of `owner`, in one atomic step. */
  take(limits: RateLimitSet, owner: string): Promise<Taken>;
}

interface Bucket {
  tokens: number;
  updatedAt: number;
}

/** The most buckets that are kept: some 20 MB. */
const MAX_BUCKETS = 100_000;

/** Buckets of this process. A bucket that has filled up again is forgotten. */
export class InProcessRateLimiter implements RateLimiter {
  readonly #now: () => number;
  readonly #buckets = new Map<string, Bucket>();

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  async take(limits: RateLimitSet, owner: string): Promise<Taken> {
    const now = this.#now();
    const perSecond = limits.refill / limits.perSeconds;
    const key = `${limits.name}/${owner}`;
    const bucket = this.#buckets.get(key) ?? { tokens: limits.capacity, updatedAt: now };
    const tokens = Math.min(
      limits.capacity,
      bucket.tokens + (Math.max(0, now - bucket.updatedAt) / 1000) * perSecond,
    );
    const allowed = tokens >= 1 - rateLimitBuckets.ROUNDING;
    const left = allowed ? Math.max(0, tokens - 1) : tokens;
    this.#buckets.delete(key);
    this.#forgetFull(now);
    this.#forgetOldest();
    this.#buckets.set(key, { tokens: left, updatedAt: now });
    return takenOf(allowed, left, perSecond);
  }

  /** The map is in order of use; every bucket is full again after ten minutes without any. */
  #forgetFull(now: number): void {
    for (const [key, bucket] of this.#buckets) {
      if (now - bucket.updatedAt < 600_000) break;
      this.#buckets.delete(key);
    }
  }

  /** Whoever makes up names of buckets must not fill the memory. */
  #forgetOldest(): void {
    if (this.#buckets.size < MAX_BUCKETS) return;
    const oldest = this.#buckets.keys().next();
    if (oldest.done !== true) this.#buckets.delete(oldest.value);
  }
}

/** Buckets that several nodes take from: one statement each, where the store is (rule C10). */
export class SharedRateLimiter implements RateLimiter {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  async take(limits: RateLimitSet, owner: string): Promise<Taken> {
    const { capacity, refill, perSeconds } = limits;
    const perSecond = refill / perSeconds;
    const name = `${limits.name}/${owner}`;
    const { db, dialect } = this.#store;
    const { tokens, allowed } = await rateLimitBuckets.take(db, dialect, {
      name,
      capacity,
      perSecond,
    });
    return takenOf(allowed, tokens, perSecond);
  }
}

function takenOf(allowed: boolean, left: number, perSecond: number): Taken {
  return {
    allowed,
    remaining: Math.floor(left + rateLimitBuckets.ROUNDING),
    retryAfterSeconds:
      left >= 1 - rateLimitBuckets.ROUNDING ? 0 : Math.ceil((1 - left) / perSecond),
  };
}

/** For operators who limit elsewhere, and for benchmarks. */
export const UNLIMITED: RateLimiter = {
  take: async (limits) => ({ allowed: true, remaining: limits.capacity, retryAfterSeconds: 0 }),
};
