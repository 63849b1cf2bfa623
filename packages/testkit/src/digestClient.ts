import type { ApiResponse } from '@linkspan/cli/api/authentication.ts';
import { ApiClient, type ApiCredentials, type ApiRequest } from '@linkspan/cli/api/client.ts';

type Call = <T = unknown>(path: string, options?: ApiRequest) => Promise<ApiResponse<T>>;

/**
 * Methods of the API for tests: every status is an answer, nothing but a lost connection throws.
 * `T` is what the test expects of the body; nothing checks it.
 */
export interface TestApi extends AsyncDisposable {
  readonly get: Call;
  readonly post: Call;
  readonly put: Call;
  readonly patch: Call;
  readonly delete: Call;
}

/** A client of the API at `baseUrl` with HTTP Digest. */
export function api(baseUrl: string, credentials: ApiCredentials): TestApi {
  const client = new ApiClient(baseUrl, credentials);
  const by =
    (method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'): Call =>
    <T>(path: string, options?: ApiRequest) =>
      client.send(method, path, options) as Promise<ApiResponse<T>>;
  return {
    get: by('GET'),
    post: by('POST'),
    put: by('PUT'),
    patch: by('PATCH'),
    delete: by('DELETE'),
    [Symbol.asyncDispose]: () => client[Symbol.asyncDispose](),
  };
}
