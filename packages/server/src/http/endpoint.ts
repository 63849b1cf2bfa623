import type { Static, TSchema } from 'typebox';
import type { Principal, Requirement } from '../domain/access.ts';
import type { Cut } from './page.ts';
import type { RateLimitSet } from './rateLimit.ts';

/** A version of an operation. */
export interface EndpointVersion {
  readonly date: string;
  /** The last day of a version that a newer one replaced. */
  readonly sunset?: string;
  /** Absent where the operation takes no body: one that comes is not read. */
  readonly body?: TSchema;
  /** A request without a body is taken for one with an empty object. */
  readonly bodyOptional?: true;
  /** What a success has in its body, or each item of a list; absent: no body. */
  readonly response?: TSchema;
}

/** A page of a list that is asked for. */
export interface PageRequest {
  /** From 1. */
  readonly pageNum: number;
  readonly itemsPerPage: number;
  readonly includeCount: boolean;
}

/** Query parameters of an operation by name: texts, booleans, or lists of texts. All are optional. */
export type QueryParameters = Readonly<Record<string, QueryParameter>>;

export interface QueryParameter {
  readonly type: 'string' | 'boolean' | 'strings' | 'time';
  /** For the documentation. */
  readonly description: string;
}

interface QueryTypes {
  readonly string: string;
  readonly boolean: boolean;
  readonly strings: readonly string[];
  readonly time: Date;
}

export type QueryValues<Q extends QueryParameters> = {
  readonly [K in keyof Q]?: QueryTypes[Q[K]['type']];
};

/** The names in braces of a path. */
export type PathParameters<P extends string> = P extends `${string}{${infer N}}${infer Rest}`
  ? { readonly [K in N]: string } & PathParameters<Rest>
  : unknown;

/** A request that has passed every check. */
export interface Call<Params = unknown, Query = unknown, Body = unknown> {
  readonly principal: Principal;
  readonly params: Params;
  readonly query: Query;
  readonly page: PageRequest;
  readonly body: Body;
  /** The version that the request resolved to. */
  readonly version: string;
  /** URL of the API that was called, without a slash at its end: for `links`. */
  readonly base: string;
}

/** An answer with one body. */
export interface BodyAnswer<R = unknown> {
  readonly body: R;
  readonly location?: string;
}

/** An answer that is a list: all of it, to be cut, or the page that was asked for. */
export type ListAnswer<R = unknown> = { readonly items: readonly R[] } | Cut<R>;

/** undefined: no body. */
export type Answer = BodyAnswer | ListAnswer | undefined;

/** One operation of the API: everything that stands between a request and its answer. */
export interface Endpoint {
  /** Atlas's name of the operation, or Linkspan's. */
  readonly operationId: string;
  /** One line, for people. */
  readonly summary: string;
  /** What it belongs to, for people. */
  readonly tag: string;
  /** Which API has it. */
  readonly api: 'atlas' | 'linkspan';
  /** False for an operation of Atlas that only v2 has. */
  readonly inV1?: false;
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Below the API's base, with names in braces: `/orgs/{orgId}`. */
  readonly path: string;
  /** What the caller must belong to: the organization or project of the path, or nothing. */
  readonly scope: 'user' | 'org' | 'group';
  /** The least role, or null for any. */
  readonly role: Requirement | null;
  readonly limits: RateLimitSet;
  /** Beside `envelope`, `pretty` and, for a list, those of pages. */
  readonly query?: QueryParameters;
  /** Status of a success. */
  readonly status: 200 | 201 | 202 | 204;
  readonly isList?: true;
  /** In rising order. */
  readonly versions: readonly EndpointVersion[];
  /** Changes the body before it is checked. */
  readonly prepareBody?: (body: unknown) => unknown;
  readonly handle: (call: Call) => Promise<Answer>;
}

type BodyOf<V extends EndpointVersion> = V extends { readonly body: infer B extends TSchema }
  ? Static<B>
  : undefined;

type ResponseOf<V extends EndpointVersion> = V extends {
  readonly response: infer R extends TSchema;
}
  ? Static<R>
  : never;

type CallOf<P extends string, V extends EndpointVersion, Q extends QueryParameters> = Call<
  PathParameters<P>,
  QueryValues<Q>,
  BodyOf<V>
>;

type Declared<P extends string, V extends EndpointVersion, Q extends QueryParameters> = Omit<
  Endpoint,
  'path' | 'versions' | 'query' | 'handle' | 'isList'
> & { readonly path: P; readonly versions: readonly V[]; readonly query?: Q };

/** Declares an operation; its handler's types follow from its path, query and versions. */
export function operation<
  const P extends string,
  const V extends EndpointVersion,
  const Q extends QueryParameters = Record<never, never>,
>(
  declared: Declared<P, V, Q> & {
    readonly handle: (
      call: CallOf<P, V, Q>,
    ) => Promise<[ResponseOf<V>] extends [never] ? void : BodyAnswer<ResponseOf<V>>>;
  },
): Endpoint {
  return { ...declared, handle: declared.handle as unknown as Endpoint['handle'] };
}

/** Declares an operation that answers a list, in pages. Its versions' `response` is an item. */
export function listOperation<
  const P extends string,
  const V extends EndpointVersion,
  const Q extends QueryParameters = Record<never, never>,
>(
  declared: Declared<P, V, Q> & {
    readonly handle: (call: CallOf<P, V, Q>) => Promise<ListAnswer<ResponseOf<V>>>;
  },
): Endpoint {
  return {
    ...declared,
    isList: true,
    handle: declared.handle as unknown as Endpoint['handle'],
  };
}
