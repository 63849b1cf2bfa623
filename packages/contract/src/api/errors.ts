/**
 * How sure an error is: `recorded` from real Atlas, `documented` by its documentation or
 * specification, or `linkspan` where Atlas has no code for the case and Linkspan chose one.
 */
export type ErrorSource = 'recorded' | 'documented' | 'linkspan';

export interface ErrorEntry {
  /** Equals its key. Sent as `errorCode` and in the header `X-Error-Code`. */
  readonly code: string;
  /** HTTP status, sent as `error`. */
  readonly status: number;
  /** Text for people, sent as `detail`; each `%s` and `%d` is one of `parameters`, in order. */
  readonly detail: string;
  readonly source: ErrorSource;
}

function entry<const C extends string>(
  code: C,
  status: number,
  source: ErrorSource,
  detail: string,
): ErrorEntry & { readonly code: C } {
  return { code, status, detail, source };
}

/** Every error the API answers with. The page of documented errors is made from it. */
export const API_ERRORS = {
  /** Something broke inside the server; the log has more. */
  UNEXPECTED_ERROR: entry('UNEXPECTED_ERROR', 500, 'documented', 'Unexpected error.'),

  INVALID_ORG_ID: entry(
    'INVALID_ORG_ID',
    404,
    'recorded',
    'An invalid organization ID %s was specified.',
  ),
  INVALID_GROUP_ID: entry(
    'INVALID_GROUP_ID',
    404,
    'documented',
    'An invalid group ID %s was specified.',
  ),
  ORG_NOT_FOUND: entry('ORG_NOT_FOUND', 404, 'documented', 'No organization with ID %s exists.'),
  GROUP_NOT_FOUND: entry('GROUP_NOT_FOUND', 404, 'recorded', 'No group with ID %s exists.'),
  GROUP_NAME_NOT_FOUND: entry(
    'GROUP_NAME_NOT_FOUND',
    404,
    'documented',
    'No group with name "%s" exists.',
  ),
  CLUSTER_NOT_FOUND: entry(
    'CLUSTER_NOT_FOUND',
    404,
    'recorded',
    'No cluster named %s exists in group %s.',
  ),
  /** An unknown route, and a migration or validation that the project does not have. */
  RESOURCE_NOT_FOUND: entry('RESOURCE_NOT_FOUND', 404, 'documented', 'Cannot find resource %s.'),
  EVENT_NOT_FOUND: entry(
    'EVENT_NOT_FOUND',
    404,
    'documented',
    'No event with ID %s exists for group %s.',
  ),
  ORG_EVENT_NOT_FOUND: entry(
    'ORG_EVENT_NOT_FOUND',
    404,
    'documented',
    'No event with ID %s exists for organization %s.',
  ),
  API_KEY_NOT_FOUND: entry('API_KEY_NOT_FOUND', 400, 'documented', 'No API key with ID %s exists.'),
  API_KEY_WHITELIST_NOT_FOUND: entry(
    'API_KEY_WHITELIST_NOT_FOUND',
    404,
    'documented',
    'IP address %s not on whitelist for API key %s.',
  ),

  SERVICE_ACCOUNT_NOT_FOUND: entry(
    'SERVICE_ACCOUNT_NOT_FOUND',
    404,
    'linkspan',
    'No service account with client ID %s exists.',
  ),
  SERVICE_ACCOUNT_SECRET_NOT_FOUND: entry(
    'SERVICE_ACCOUNT_SECRET_NOT_FOUND',
    404,
    'linkspan',
    'No secret with ID %s exists for service account %s.',
  ),
  SERVICE_ACCOUNT_ACCESS_LIST_ENTRY_NOT_FOUND: entry(
    'SERVICE_ACCOUNT_ACCESS_LIST_ENTRY_NOT_FOUND',
    404,
    'linkspan',
    'IP address %s is not on the access list of service account %s.',
  ),

  USER_UNAUTHORIZED: entry(
    'USER_UNAUTHORIZED',
    401,
    'recorded',
    'Current user is not authorized to perform this action.',
  ),
  USER_CANNOT_ACCESS_GROUP: entry(
    'USER_CANNOT_ACCESS_GROUP',
    401,
    'recorded',
    'User cannot access this group.',
  ),
  USER_CANNOT_ACCESS_ORG: entry(
    'USER_CANNOT_ACCESS_ORG',
    401,
    'documented',
    'User cannot access this organization.',
  ),
  NOT_ORG_GROUP_CREATOR: entry(
    'NOT_ORG_GROUP_CREATOR',
    401,
    'documented',
    'The currently logged in user does not have the group creator role in organization %s.',
  ),
  IP_ADDRESS_NOT_ON_ACCESS_LIST: entry(
    'IP_ADDRESS_NOT_ON_ACCESS_LIST',
    403,
    'recorded',
    'IP address %s is not allowed to access this resource.',
  ),
  ORG_REQUIRES_ACCESS_LIST: entry(
    'ORG_REQUIRES_ACCESS_LIST',
    403,
    'recorded',
    'This organization requires access through an access list of ip ranges.',
  ),

  METHOD_NOT_ALLOWED: entry(
    'METHOD_NOT_ALLOWED',
    405,
    'linkspan',
    'Method %s is not allowed for %s.',
  ),
  INVALID_VERSION_DATE: entry(
    'INVALID_VERSION_DATE',
    406,
    'recorded',
    'Invalid accept header or version date.',
  ),
  VERSION_GONE: entry('VERSION_GONE', 410, 'recorded', 'Version %s of %s is no longer available.'),
  PAYLOAD_TOO_LARGE: entry(
    'PAYLOAD_TOO_LARGE',
    413,
    'linkspan',
    'The request body is larger than %s bytes.',
  ),
  REQUEST_TIMEOUT: entry(
    'REQUEST_TIMEOUT',
    408,
    'linkspan',
    'The request did not arrive whole in time.',
  ),
  REQUEST_HEADERS_TOO_LARGE: entry(
    'REQUEST_HEADERS_TOO_LARGE',
    431,
    'linkspan',
    'The request line and headers are larger than 16384 bytes.',
  ),
  UNSUPPORTED_MEDIA_TYPE: entry(
    'UNSUPPORTED_MEDIA_TYPE',
    415,
    'linkspan',
    'The content type %s is not supported; send application/json.',
  ),
  RATE_LIMITED_TOKEN_BUCKET: entry(
    'RATE_LIMITED_TOKEN_BUCKET',
    429,
    'recorded',
    'Rate limit exceeded for %s. Please retry after %s seconds. Request capacity: %s. Refill rate: %s per %s seconds. For more information, see: http://dochub.mongodb.org/core/atlas-api-rate-limit.',
  ),
  /** The same for a name that exists and one that does not, and for this address alone. */
  TOO_MANY_FAILED_SIGN_INS: entry(
    'TOO_MANY_FAILED_SIGN_INS',
    429,
    'linkspan',
    'Too many sign-ins with these credentials have failed from address %s. Please retry after %s seconds.',
  ),

  MALFORMED_JSON: entry('MALFORMED_JSON', 400, 'documented', 'Received JSON is malformed.'),
  INVALID_JSON: entry(
    'INVALID_JSON',
    400,
    'documented',
    'Received JSON does not match expected format.',
  ),
  INVALID_JSON_ATTRIBUTE: entry(
    'INVALID_JSON_ATTRIBUTE',
    400,
    'recorded',
    'Received JSON for the %s attribute does not match expected format.',
  ),
  MISSING_ATTRIBUTE: entry(
    'MISSING_ATTRIBUTE',
    400,
    'recorded',
    'The required attribute %s was not specified.',
  ),
  INVALID_ATTRIBUTE: entry('INVALID_ATTRIBUTE', 400, 'recorded', 'Invalid attribute %s specified.'),
  MISSING_ONE_OF_ATTRIBUTES: entry(
    'MISSING_ONE_OF_ATTRIBUTES',
    400,
    'documented',
    'Either the %s attribute or the %s attribute must be specified.',
  ),
  INVALID_ENUM_VALUE: entry(
    'INVALID_ENUM_VALUE',
    400,
    'recorded',
    'An invalid enumeration value %s was specified.',
  ),
  INVALID_PATH_PARAMETER: entry(
    'INVALID_PATH_PARAMETER',
    400,
    'documented',
    'Invalid path parameter %s specified.',
  ),
  INVALID_DATE_FORMAT: entry(
    'INVALID_DATE_FORMAT',
    400,
    'documented',
    'An invalid date value %s was specified.',
  ),
  INVALID_DATE_RANGE: entry(
    'INVALID_DATE_RANGE',
    400,
    'documented',
    "An invalid date range minDate=%s, maxDate=%s was specified: maxDate shouldn't be earlier than minDate.",
  ),
  INVALID_QUERY_PARAMETER: entry(
    'INVALID_QUERY_PARAMETER',
    400,
    'documented',
    'Invalid query parameter %s specified.',
  ),
  VALIDATION_ERROR: entry(
    'VALIDATION_ERROR',
    400,
    'recorded',
    'The request content produced the validation error: %s.',
  ),
  GROUP_MISMATCH: entry(
    'GROUP_MISMATCH',
    400,
    'documented',
    'The specified group ID %s does not match the URL.',
  ),
  INVALID_IP_ADDRESS_OR_CIDR_NOTATION: entry(
    'INVALID_IP_ADDRESS_OR_CIDR_NOTATION',
    400,
    'documented',
    'The address %s must be in valid IP address or CIDR notation.',
  ),
  BAD_WHITELIST_ADD_REQUEST: entry(
    'BAD_WHITELIST_ADD_REQUEST',
    400,
    'documented',
    'Should not specify both the IP address and the CIDR block.',
  ),
  DUPLICATE_ADDRESSES_IN_INPUT: entry(
    'DUPLICATE_ADDRESSES_IN_INPUT',
    400,
    'documented',
    'Two or more of the IP addresses being added to the whitelist are the same.',
  ),
  CANNOT_REMOVE_CALLER_FROM_WHITELIST: entry(
    'CANNOT_REMOVE_CALLER_FROM_WHITELIST',
    400,
    'documented',
    "Cannot remove caller's IP address %s from whitelist.",
  ),
  API_KEY_REQUIRES_DESCRIPTION: entry(
    'API_KEY_REQUIRES_DESCRIPTION',
    400,
    'documented',
    'All API keys require a non-empty description.',
  ),
  INVALID_API_KEY_DESC: entry(
    'INVALID_API_KEY_DESC',
    400,
    'documented',
    'API key descriptions are required and must be less than %d characters.',
  ),
  MISSING_API_KEY_ROLES: entry(
    'MISSING_API_KEY_ROLES',
    400,
    'documented',
    'API keys must have at least one role.',
  ),
  INVALID_ROLE_FOR_ORG: entry(
    'INVALID_ROLE_FOR_ORG',
    400,
    'documented',
    'Role %s invalid for organization %s.',
  ),
  INVALID_ROLE_FOR_GROUP: entry(
    'INVALID_ROLE_FOR_GROUP',
    400,
    'documented',
    'Role %s is invalid for group %s.',
  ),
  MAX_ACCESS_LIST_ENTRIES_REACHED: entry(
    'MAX_ACCESS_LIST_ENTRIES_REACHED',
    400,
    'linkspan',
    'The access list of %s can have at most %s entries. Give CIDR blocks, or delete entries first.',
  ),
  MAX_SERVICE_ACCOUNT_SECRETS_REACHED: entry(
    'MAX_SERVICE_ACCOUNT_SECRETS_REACHED',
    400,
    'linkspan',
    'Service account %s has %s secrets, the most that it can have. Delete one of them first.',
  ),
  INVALID_GROUP_NAME: entry(
    'INVALID_GROUP_NAME',
    400,
    'documented',
    'An invalid group name "%s" was specified.',
  ),
  INVALID_ORG_NAME: entry(
    'INVALID_ORG_NAME',
    400,
    'documented',
    'An invalid org name "%s" was specified.',
  ),

  ADDRESS_ALREADY_IN_WHITELIST: entry(
    'ADDRESS_ALREADY_IN_WHITELIST',
    409,
    'documented',
    'The address %s is already on the whitelist.',
  ),
  GROUP_ALREADY_EXISTS: entry(
    'GROUP_ALREADY_EXISTS',
    409,
    'documented',
    'A group with name "%s" already exists.',
  ),
  CLUSTER_ALREADY_EXISTS: entry(
    'CLUSTER_ALREADY_EXISTS',
    409,
    'linkspan',
    'A cluster named %s already exists in group %s.',
  ),
  ORG_NOT_EMPTY: entry(
    'ORG_NOT_EMPTY',
    409,
    'documented',
    'Organization cannot be deleted because it still contains active groups.',
  ),
  CANNOT_CLOSE_GROUP_ACTIVE_ATLAS_CLUSTERS: entry(
    'CANNOT_CLOSE_GROUP_ACTIVE_ATLAS_CLUSTERS',
    409,
    'documented',
    'Cannot close group while it has active clusters; please terminate all clusters.',
  ),
  CANNOT_DELETE_ORG_ACTIVE_LIVE_MIGRATION_ATLAS_ORG_LINK: entry(
    'CANNOT_DELETE_ORG_ACTIVE_LIVE_MIGRATION_ATLAS_ORG_LINK',
    409,
    'documented',
    'Cannot delete organization link while there is active migration in following project ids: %s',
  ),
  CANNOT_MODIFY_CLUSTER_WITH_RUNNING_LIVE_IMPORT: entry(
    'CANNOT_MODIFY_CLUSTER_WITH_RUNNING_LIVE_IMPORT',
    409,
    'documented',
    'Cannot modify a cluster with a running live import.',
  ),
  ORG_HAS_LINK: entry(
    'ORG_HAS_LINK',
    409,
    'linkspan',
    'Organization %s has an organization link. Remove its link-token first.',
  ),
  ORG_LINK_ALREADY_EXISTS: entry(
    'ORG_LINK_ALREADY_EXISTS',
    409,
    'linkspan',
    'Organization %s already has an organization link. Remove its link-token first (DELETE /orgs/%s/liveMigrations/linkTokens), then create another.',
  ),
  ORG_LINK_NOT_LINKED: entry(
    'ORG_LINK_NOT_LINKED',
    409,
    'linkspan',
    'Organization %s is not linked: %s.',
  ),
  /** Of the source side: the port of a migration host, not the server. */
  MIGRATION_HOST_ALREADY_LINKED: entry(
    'MIGRATION_HOST_ALREADY_LINKED',
    409,
    'linkspan',
    'Migration host %s is linked already, or waits for its server. Unlink it first (DELETE /orgs/%s/liveExport/migrationLink), then link it with the new link-token.',
  ),
  CANNOT_MODIFY_LINK_API_KEY: entry(
    'CANNOT_MODIFY_LINK_API_KEY',
    409,
    'linkspan',
    'API key %s belongs to the organization link and cannot be changed. Deleting it removes the link.',
  ),
  CANNOT_REMOVE_LAST_ORG_OWNER: entry(
    'CANNOT_REMOVE_LAST_ORG_OWNER',
    409,
    'linkspan',
    '%s is the last Organization Owner of organization %s that can sign in. Make another one first.',
  ),
  MIGRATION_HOST_IN_USE: entry(
    'MIGRATION_HOST_IN_USE',
    409,
    'linkspan',
    'Migration host %s runs live migration %s, and no other migration host of the link can take it: %s.',
  ),
  NO_OTHER_MIGRATION_HOST: entry(
    'NO_OTHER_MIGRATION_HOST',
    409,
    'linkspan',
    'Live migration %s cannot be given to another migration host: %s.',
  ),
  LIVE_MIGRATION_NOT_ACTIVE: entry(
    'LIVE_MIGRATION_NOT_ACTIVE',
    409,
    'linkspan',
    'Live migration %s has ended with status %s.',
  ),
  LIVE_MIGRATION_NOT_READY_FOR_CUTOVER: entry(
    'LIVE_MIGRATION_NOT_READY_FOR_CUTOVER',
    409,
    'linkspan',
    'Live migration %s is not ready for cutover: %s.',
  ),

  LIVE_MIGRATION_NOT_VERIFIABLE: entry(
    'LIVE_MIGRATION_NOT_VERIFIABLE',
    409,
    'linkspan',
    'Live migration %s cannot be verified or repaired now: it is %s.',
  ),
  LIVE_MIGRATION_CUTOVER_UNDER_WAY: entry(
    'LIVE_MIGRATION_CUTOVER_UNDER_WAY',
    409,
    'linkspan',
    'Live migration %s is being cut over and cannot be paused or moved. Wait until the cutover has ended, or cancel the migration.',
  ),

  LIVE_MIGRATION_COPIED_DATA_KEPT: entry(
    'LIVE_MIGRATION_COPIED_DATA_KEPT',
    409,
    'linkspan',
    'Live migration %s is canceled already, and what it copied was kept. Something else may use it by now: drop it at the destination yourself.',
  ),

  /** What is needed to answer is not there now. The same request may be sent again later. */
  SERVICE_UNAVAILABLE: entry('SERVICE_UNAVAILABLE', 503, 'documented', '%s'),
} as const satisfies Record<string, ErrorEntry>;

export type ApiErrorCode = keyof typeof API_ERRORS;

/**
 * Answer to DELETE linkTokens of an organization without a link, as recorded from Atlas: the code
 * of a 500 with the status 404, and `parameters` null.
 */
export const LINK_NOT_FOUND = {
  code: 'UNEXPECTED_ERROR',
  status: 404,
  detail: 'Could not find the requested external organization link.',
} as const;

/** Body of the answer to a request without valid credentials: recorded, byte for byte. */
export const UNAUTHORIZED_BODY = `{
  "error" : 401,
  "reason" : "Unauthorized",
  "detail" : "You are not authorized for this resource.",
  "errorCode" : "UNEXPECTED_ERROR"
}`;

/** One attribute of a request that is wrong, and why. */
export interface FieldViolation {
  readonly description: string;
  readonly field: string;
}

/** Body of an error. */
export interface ErrorBody {
  readonly badRequestDetail?: { readonly fields: readonly FieldViolation[] };
  readonly detail: string;
  readonly error: number;
  readonly errorCode: string;
  readonly parameters: readonly string[] | null;
  readonly reason: string;
}

/** Puts parameters into a template's `%s` and `%d`, in order. */
export function formatDetail(template: string, parameters: readonly string[]): string {
  let index = 0;
  return template.replaceAll(/%[sd]/g, () => parameters[index++] ?? '');
}

/** The catalogue as a table in Markdown. */
export function describeErrors(): string {
  const rows = Object.values<ErrorEntry>(API_ERRORS)
    .toSorted((a, b) => a.status - b.status || a.code.localeCompare(b.code))
    .map(
      ({ code, status, detail, source }) => `| ${status} | \`${code}\` | ${detail} | ${source} |`,
    );
  return ['| Status | Code | Text | Source |', '| --- | --- | --- | --- |', ...rows].join('\n');
}
