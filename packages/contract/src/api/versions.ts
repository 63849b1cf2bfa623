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

/**
 * The version date that an Accept header asks for, or null if it names none: of several the one of
 * the highest weight, of equal ones the first (RFC 9110, section 12.5.1).
 */
export function acceptedVersion(accept: string | undefined): string | null {
  let best: { readonly date: string; readonly weight: number } | null = null;
  for (const range of (accept ?? '').split(',')) {
    const [type = '', ...parameters] = range.split(';').map((text) => text.trim().toLowerCase());
    const date = VERSIONED.exec(type)?.[1];
    if (date === undefined || !isDate(date)) continue;
    const quality = parameters.find((parameter) => /^q\s*=/.test(parameter));
    const weight = quality === undefined ? 1 : Number(quality.split('=')[1]);
    if (weight > (best?.weight ?? 0)) best = { date, weight };
  }
  return best?.date ?? null;
}

function isDate(text: string): boolean {
  const date = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text);
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
