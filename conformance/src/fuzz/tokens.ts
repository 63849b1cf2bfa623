/**
 * Names that stand in requests for what only a running server knows: `{{orgId}}` is the id of the
 * organization under test. So a request can be made, shrunk and repeated before there is a server.
 */
export const TOKEN_NAMES = [
  'orgId',
  'groupId',
  'groupName',
  'otherGroupId',
  'apiUserId',
  'clientId',
  'secretId',
  'clusterName',
  'liveMigrationId',
  'validationId',
  'eventId',
  'ipAddress',
  'hostname',
  'sourceProjectId',
  'sourceClusterName',
  'accessToken',
  'victimOrgId',
  'victimGroupId',
] as const;
export type TokenName = (typeof TOKEN_NAMES)[number];

export function token(name: TokenName): string {
  return `{{${name}}}`;
}

export function isTokenName(name: string): name is TokenName {
  return (TOKEN_NAMES as readonly string[]).includes(name);
}

/** The text with every known name in double braces replaced. */
export function fillTokens(text: string, valueOf: (name: TokenName) => string): string {
  return text.replaceAll(/\{\{(\w+)\}\}/g, (whole, name: string) =>
    isTokenName(name) ? valueOf(name) : whole,
  );
}
