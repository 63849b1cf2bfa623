/** Codes that Atlas documents and Linkspan never answers with, by the reason why. */
export const OUT_OF_REACH: Readonly<Record<string, readonly string[]>> = {
  'it is about a kind of resource that is not here (clusters by id, personal keys, backups, flex clusters)':
    [
      'INVALID_CLUSTER_ID',
      'INVALID_KEY_ID',
      'INVALID_JOB_ID',
      'PERSONAL_API_KEYS_DEPRECATED',
      'CANNOT_PERFORM_RESTORE_ON_CLUSTER_WITH_RUNNING_LIVE_IMPORT',
      'CANNOT_USE_FLEX_CLUSTER_IN_CLUSTER_API',
    ],
  'it tells Atlas from Cloud Manager, which is one here': [
    'NOT_ATLAS_GROUP',
    'NOT_ATLAS_ORG',
    'EXPECTED_NON_ATLAS_ORG',
    'INVALID_ATLAS_GROUP',
  ],
  'another code is recorded or documented for the same case': [
    'NOT_IN_GROUP',
    'NOT_ORG_OWNER',
    'NOT_API_KEY_ADMIN',
    'NO_CURRENT_USER',
    'API_KEY_ACCESS_LIST_ACCESS_DENIED',
    'ACCESS_FORBIDDEN',
    'RESOURCE_REQUIRES_ACCESS_LIST',
    'CLUSTER_NAME_NOT_FOUND',
    'INVALID_CIDR_BLOCK',
    'MISSING_OR_INVALID_ATTRIBUTE',
  ],
  'each attribute that is wrong is named in badRequestDetail, and the code is that of the first': [
    'MISSING_ATTRIBUTES',
  ],
  'attributes that only answers have are not read in a request': ['ATTRIBUTE_READ_ONLY'],
  'no address is kept off a list': ['CANNOT_ADD_IP_ADDRESS_TO_API_KEY_WHITELIST'],
  'the path names the organization or project of a role': [
    'ROLE_NEEDS_ORG_ID',
    'API_KEY_CAN_ONLY_BELONG_TO_ONE_ORG',
    'API_KEY_ROLE_ASSIGNMENT_MISSING_ID',
    'API_KEY_CREATED_GROUPS_MUST_HAVE_ORG',
  ],
  'there is no limit on the number': [
    'MAX_API_KEYS_PER_ORG_EXCEEDED',
    'MAX_PUBLIC_API_KEY_REACHED',
    'MAX_GROUPS_PER_ORG_EXCEEDED',
  ],
  'there are no plans to pay for, and an owner may create organizations': [
    'FEATURE_UNSUPPORTED',
    'UNSUPPORTED_FEATURE',
    'INACTIVE_ORG',
    'API_KEY_CANNOT_CREATE_ORG',
  ],
  'no operation has a query parameter that must be given': ['MISSING_QUERY_PARAMETER'],
  'no operation finds an organization by its name': ['ORG_NAME_NOT_FOUND'],
  'names are unique within the one organization of a credential': ['MULTIPLE_GROUPS'],
  'it says nothing that a client could act on': ['ATLAS_GENERAL_ERROR'],
  'upgrades do not stop writes': ['WRITES_NOT_ALLOWED_DURING_APP_UPGRADES'],
  'the token endpoint answers in the shape of OAuth': ['RATE_LIMITED'],
};

/** Codes of the catalogue that another test obtains, by the reason why it is not one of these. */
export const OBTAINED_ELSEWHERE: Readonly<Record<string, string>> = {
  LIVE_MIGRATION_NOT_VERIFIABLE: 'a migration must be paused or cut over: tests of control do',
  LIVE_MIGRATION_CUTOVER_UNDER_WAY: 'a cutover must be held: tests of pauses do',
  MIGRATION_HOST_ALREADY_LINKED: 'the port of a migration host answers with it, not the server',
  REQUEST_HEADERS_TOO_LARGE: 'there is no request yet, and no header of an answer to one',
  REQUEST_TIMEOUT: 'it takes minutes: a test of the answer itself does',
};

/** Pairs of code and status that no request leads to. */
export const NEVER_ASKED_FOR: Readonly<Record<string, string>> = {
  'UNEXPECTED_ERROR 500': 'a fault of the server itself, which no request may cause',
};
