import { readFileSync } from 'node:fs';

/** JSON whose shape nothing has checked. */
export type Json = Readonly<Record<string, unknown>>;

/** A schema in the dialect of OpenAPI 3.0. */
export type OpenApiSchema = Json;

export interface ContractVersion {
  /** The last day of a version that a newer one replaced. */
  readonly sunset?: string;
  readonly request?: OpenApiSchema;
  /** Absent where a success has no body. */
  readonly response?: OpenApiSchema;
}

export interface Operation {
  readonly operationId: string;
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
  /** Absent where v1.0 does not have the operation. */
  readonly v1Path?: string;
  /** Any of these is enough; empty: any credential. */
  readonly roles: readonly string[];
  readonly rateLimit: { readonly scope: string; readonly capacity: number };
  readonly parameters: readonly { readonly name: string; readonly in: string }[];
  /** Of a success, as specified. */
  readonly status: number;
  /** Of a success, as recorded, where it differs. */
  readonly recordedStatus?: number;
  /** By date, in rising order. */
  readonly versions: Readonly<Record<string, ContractVersion>>;
  readonly recorded?: readonly {
    readonly status: number;
    readonly headers: Readonly<Record<string, string>>;
  }[];
}

export interface ContractError {
  readonly errorCode: string;
  readonly status: number;
  readonly detail: string | null;
}

/** One of the token endpoints. */
export interface OAuthOperation {
  readonly operation: string;
  readonly path: string;
  readonly errors: readonly { readonly status: number; readonly error: string }[] | string;
}

interface Contract {
  readonly unauthorized: { readonly body: string };
  readonly authenticated: { readonly headers: Readonly<Record<string, string>> };
  readonly errorResponse: OpenApiSchema;
  readonly schemas: Readonly<Record<string, OpenApiSchema>>;
  readonly operations: readonly Operation[];
  readonly errorCodes: readonly ContractError[];
  readonly oauth: readonly OAuthOperation[];
}

/** The facts of `data/atlas.json`. */
export const CONTRACT = JSON.parse(
  readFileSync(new URL('../data/atlas.json', import.meta.url), 'utf8'),
) as Contract;

/** One way in which an operation is served: a version of v2, or v1.0. */
export interface Served {
  readonly operation: Operation;
  /** `v1.0`, or the date of the version. */
  readonly label: string;
  readonly path: string;
  readonly date: string;
  readonly accept: string;
  /** `Content-Type` of a success. */
  readonly mediaType: string;
  /** Headers of a version that a newer one replaced; null: it must not have them. */
  readonly deprecation: { readonly deprecation: string; readonly sunset: string } | null;
  readonly response: OpenApiSchema | null;
}

/** v1.0 equals the first version of v2. */
export function servedVersions(operation: Operation): Served[] {
  const versions = Object.entries(operation.versions);
  const served = versions.map(([date, version], index): Served => {
    const successor = versions[index + 1]?.[0];
    return {
      operation,
      label: date,
      path: operation.path,
      date,
      accept: `application/vnd.atlas.${date}+json`,
      mediaType: `application/vnd.atlas.${date}+json;charset=utf-8`,
      deprecation:
        version.sunset === undefined || successor === undefined
          ? null
          : { deprecation: headerDate(successor), sunset: headerDate(version.sunset) },
      response: version.response ?? null,
    };
  });
  const first = served[0];
  if (operation.v1Path === undefined || first === undefined) return served;
  const plain = 'application/json';
  return [
    {
      ...first,
      label: 'v1.0',
      path: operation.v1Path,
      accept: plain,
      mediaType: plain,
      deprecation: null,
    },
    ...served,
  ];
}

/** The status of a success: recorded beats specified. */
export function successStatus(operation: Operation): number {
  return operation.recordedStatus ?? operation.status;
}

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** As recorded: the day of the month is not padded with a zero. */
function headerDate(date: string): string {
  const day = new Date(`${date}T00:00:00Z`);
  const month = MONTHS[day.getUTCMonth()] ?? '';
  return `${DAYS[day.getUTCDay()] ?? ''}, ${day.getUTCDate()} ${month} ${day.getUTCFullYear()} 00:00:00 GMT`;
}
