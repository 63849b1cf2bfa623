/** Where the Atlas API is served, in both of its versions, and Linkspan's own resources. */
export const ATLAS_V1 = '/api/atlas/v1.0';
export const ATLAS_V2 = '/api/atlas/v2';
export const LINKSPAN_V1 = '/api/linkspan/v1';

/** Version dates of operations, as specified. v1.0 equals the first. */
export const FIRST_VERSION = '2023-01-01';
export const LIVE_MIGRATION_VERSION = '2024-05-30';
export const SERVICE_ACCOUNT_VERSION = '2024-08-05';
export const CLUSTER_VERSIONS = ['2023-01-01', '2023-02-01', '2024-08-05'] as const;

/** Media type of a version's success: recorded, charset included. */
export function versionMediaType(date: string): string {
  return `application/vnd.atlas.${date}+json;charset=utf-8`;
}

const VERSIONED = /^application\/vnd\.atlas\.(\d{4}-\d{2}-\d{2})\+json$/;

/** The version date that an Accept header asks for, or null if it names none. */
export function acceptedVersion(accept: string | undefined): string | null {
  for (const range of (accept ?? '').split(',')) {
    const date = VERSIONED.exec((range.split(';')[0] ?? '').trim().toLowerCase())?.[1];
    if (date === undefined) continue;
    const parsed = new Date(`${date}T00:00:00Z`);
    if (!Number.isNaN(parsed.getTime()) && parsed.toISOString().startsWith(date)) return date;
  }
  return null;
}

/**
 * The newest of the versions that is not later than the date asked for, or null before the first.
 * @param versions version dates in rising order
 */
export function resolveVersion(asked: string, versions: readonly string[]): string | null {
  return versions.findLast((version) => version <= asked) ?? null;
}

/** A date as the headers `Deprecation` and `Sunset` have it: recorded, the day not zero-padded. */
export function headerDate(date: string): string {
  return new Date(`${date}T00:00:00Z`).toUTCString().replace(/, 0(\d) /, ', $1 ');
}
