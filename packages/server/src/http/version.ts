import {
  acceptedVersion,
  ATLAS_V1,
  ATLAS_V2,
  headerDate,
  LINKSPAN_V1,
  resolveVersion,
  versionMediaType,
} from '@linkspan/contract/api/versions.ts';
import { apiError } from '@linkspan/contract/serving/apiError.ts';
import type { Endpoint, EndpointVersion } from './endpoint.ts';

/** One of the bases that the API is served at. */
export interface ApiBase {
  readonly path: string;
  readonly api: Endpoint['api'];
  /** True where the Accept header chooses a version. */
  readonly versioned: boolean;
}

export const API_BASES: readonly ApiBase[] = [
  { path: ATLAS_V1, api: 'atlas', versioned: false },
  { path: ATLAS_V2, api: 'atlas', versioned: true },
  { path: LINKSPAN_V1, api: 'linkspan', versioned: false },
];

export function isServedAt(endpoint: Endpoint, base: ApiBase): boolean {
  return endpoint.api === base.api && (endpoint.inV1 !== false || base.path !== ATLAS_V1);
}

/** The version that answers, and what the answer says of it. */
export interface Resolved {
  readonly version: EndpointVersion;
  /** `Content-Type` of a success. */
  readonly mediaType: string;
  /** `Deprecation` and `Sunset` of a version that a newer one replaced. */
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * Chooses the version of an operation. Without versions (v1.0, Linkspan's own API) it is the first.
 * @throws {ApiError} INVALID_VERSION_DATE if none, or one before the first, was asked for
 */
export function chooseVersion(
  endpoint: Endpoint,
  base: ApiBase,
  accept: string | undefined,
): Resolved {
  const { versions } = endpoint;
  const dates = versions.map((version) => version.date);
  const asked = base.versioned ? acceptedVersion(accept) : dates[0];
  const date = asked === null || asked === undefined ? null : resolveVersion(asked, dates);
  const index = date === null ? -1 : dates.indexOf(date);
  const version = versions[index];
  if (version === undefined) throw apiError('INVALID_VERSION_DATE');
  const successor = versions[index + 1];
  const headers =
    base.versioned && version.sunset !== undefined && successor !== undefined
      ? { Deprecation: headerDate(successor.date), Sunset: headerDate(version.sunset) }
      : {};
  const mediaType = base.versioned ? versionMediaType(version.date) : 'application/json';
  return { version, mediaType, headers };
}

/** @throws {ApiError} VERSION_GONE for an old version that the operator has taken out of service */
export function checkGone(
  { version }: Resolved,
  goneVersions: ReadonlySet<string>,
  path: string,
): void {
  if (version.sunset !== undefined && goneVersions.has(version.date)) {
    throw apiError('VERSION_GONE', version.date, path.replace(/^\//, ''));
  }
}
