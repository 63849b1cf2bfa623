import type { Dispatcher } from 'undici';

export interface ApiResponse<T = unknown> {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Parsed where it is JSON, else text; null when empty. */
  readonly body: T;
}

/** A request as it goes out. */
export interface RawRequest {
  readonly method: Dispatcher.HttpMethod;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal?: AbortSignal;
}

/** Sends one request. @throws {UnreachableError} */
export type Send = (url: URL, request: RawRequest) => Promise<ApiResponse>;

/** How a client proves who it is. Kept from call to call. */
export interface Authentication {
  /** The `Authorization` header of a request, or null where the server has to say first what it wants. */
  header(method: string, target: string, signal?: AbortSignal): Promise<string | null>;
  /** Reads a 401. True if the same request may go well with another header. */
  refused(response: ApiResponse): boolean;
  /** Gives back what the server holds for this client. Never rejects. */
  end(): Promise<void>;
}
