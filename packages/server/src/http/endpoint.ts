import type { Static, TSchema } from 'typebox';
import type { Principal, Requirement } from '../domain/access.ts';
import type { RateLimitSet } from './rateLimit.ts';

/** A version of an operation, and the body it takes. */
export interface EndpointVersion {
  readonly date: string;
  /** The last day of a version that a newer one replaced. */
  readonly sunset?: string;
  /** Absent where the operation takes no body: one that comes is not read. */
  readonly body?: TSchema;
}

/** A page of a list that is asked for. */
export interface PageRequest {
  /** From 1. */
  readonly pageNum: number;
  readonly itemsPerPage: number;
  readonly includeCount: boolean;
}

/** A request that has passed every check. */
export interface Call<B = unknown> {
  readonly principal: Principal;
  /** The parts of the path by name; empty for those it does not have. */
  readonly params: {
    readonly orgId: string;
    readonly groupId: string;
    readonly id: string;
    readonly name: string;
    readonly address: string;
  };
  /** The query parameter, or null. */
  readonly query: (name: string) => string | null;
  readonly body: B;
  /** The version that the request resolved to. */
  readonly version: string;
  /** URL of the API that was called, without a slash at its end: for `links`. */
  readonly base: string;
}

export type Answer =
  | {
      readonly status: number;
      /** Absent: no body (204). */
      readonly body?: unknown;
      readonly location?: string;
    }
  | {
      readonly status: number;
      /** All items; the page asked for is cut from them. */
      readonly items: readonly unknown[];
    };

/** One operation of the API: everything that stands between a request and its answer. */
export interface Endpoint {
  /** Atlas's name of the operation, or Linkspan's. */
  readonly operationId: string;
  /** Which API has it. Atlas's are served in both of its versions. */
  readonly api: 'atlas' | 'linkspan';
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Below the API's base. */
  readonly path: string;
  /** What the caller must belong to: the organization or project of the path, or nothing. */
  readonly scope: 'user' | 'org' | 'group';
  /** The least role, or null for any. */
  readonly role: Requirement | null;
  readonly limits: RateLimitSet;
  /** In rising order. */
  readonly versions: readonly EndpointVersion[];
  /** Changes the body before it is checked. */
  readonly prepareBody?: (body: unknown) => unknown;
  readonly handle: (call: Call) => Promise<Answer>;
}

type Declared = Omit<Endpoint, 'handle' | 'versions' | 'prepareBody'>;

/** Declares an operation without a body, in one version. */
export function endpoint(
  declared: Declared & { readonly handle: (call: Call) => Promise<Answer> },
  date: string,
): Endpoint {
  return { ...declared, versions: [{ date }] };
}

/** Declares an operation with a body, in one version. */
export function endpointWithBody<S extends TSchema>(
  declared: Declared & { readonly handle: (call: Call<Static<S>>) => Promise<Answer> },
  date: string,
  body: S,
): Endpoint {
  return {
    ...declared,
    versions: [{ date, body }],
    handle: (call) => declared.handle(call as Call<Static<S>>),
  };
}
