import { describeErrors } from '@linkspan/contract/api/errors.ts';
import { EVENT_TYPES } from '@linkspan/server/domain/eventTypes.ts';

/** A page of the documentation that is made from the code. */
export interface Page {
  /** From the root of the repository. */
  readonly path: string;
  readonly text: string;
}

const MADE = '<!-- Made by `npm run docs` from the code: change it there. -->';

/** Every page that `npm run docs` writes. */
export const PAGES: readonly Page[] = [
  {
    path: 'docs/errors.md',
    text: `${MADE}

# Errors

An answer that is an error has the header \`X-Error-Code\` and a body in Atlas's shape:

\`\`\`json
{
  "badRequestDetail": { "fields": [{ "description": "is required", "field": "name" }] },
  "detail": "The required attribute name was not specified.",
  "error": 400,
  "errorCode": "MISSING_ATTRIBUTE",
  "parameters": ["name"],
  "reason": "Bad Request"
}
\`\`\`

\`badRequestDetail\` is there where attributes of the body are wrong, and names each of them. Each \`%s\`
of a text is one of \`parameters\`, in order. A \`503\` and a \`429\` say in \`Retry-After\` when to try again.

Two answers of Atlas do not fit the table and are given as they were recorded: without valid
credentials \`401\` with the code \`UNEXPECTED_ERROR\`, whatever was wrong with them; and \`404\` with the code
\`UNEXPECTED_ERROR\` where a link-token is to be removed and there is none.

Source: *recorded* from real Atlas, *documented* by its documentation or specification, *linkspan* where
Atlas has no code for the case.

${describeErrors()}
`,
  },
  {
    path: 'docs/events.md',
    text: `${MADE}

# Audit events

What \`/orgs/{orgId}/events\` and \`/groups/{groupId}/events\` answer in \`eventTypeName\`, and take as a filter
in \`eventType\`. Every change of state writes its event in the same transaction.

| Event | Is about |
| --- | --- |
${Object.entries(EVENT_TYPES)
  .map(([name, target]) => `| \`${name}\` | ${words(target)} |`)
  .join('\n')}
`,
  },
];

/** `migrationHost` in words. */
function words(name: string): string {
  if (name === 'link') return 'organization link';
  const spaced = name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  return spaced.replace('api ', 'API ');
}
