import { AGENT_ENVIRONMENT_PREFIX, AGENT_OPTIONS } from '@linkspan/agent/config/options.ts';
import { describeErrors } from '@linkspan/contract/api/errors.ts';
import { describeFindings } from '@linkspan/contract/api/findings.ts';
import { MAX_SAMPLES } from '@linkspan/contract/push/structure.ts';
import { describeOptions } from '@linkspan/contract/options/describe.ts';
import {
  SERVER_ENVIRONMENT_PREFIX,
  SERVER_OPTIONS,
  STORE_OPTIONS,
} from '@linkspan/server/config/options.ts';
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
    path: 'docs/validation.md',
    text: `${MADE}

# Validation

A validation is a dry run: it asks both sides everything that a live migration depends on. It writes nothing
to the source, and nothing that stays to the destination. \`linkspan liveMigrations validation create --watch\` prints what it finds, as does
\`validation describe\`; \`GET /api/linkspan/v1/groups/{groupId}/liveMigrations/validate/{validationId}\`
answers each finding with \`code\`, \`severity\`, \`message\` and \`action\`.

- An **error** makes it FAILED: a live migration could not be made, or could not succeed.
- A **warning** does not: something stays behind, will be different, or may go wrong.
- An **information** is good to know.

Codes never change. A message begins with the text below and goes on with what it was found on. Atlas's
\`errorMessage\` is made of the messages of all errors; where Atlas has a text for a finding, it is Atlas's.

## What is found at the source
${describeFindings('source')}

## What is found at the destination
${describeFindings('destination')}

## What is tried at the destination
Which options and kinds of indexes a server takes follows from its version, its configuration and what it
is, so no table is asked. The agent sends each kind that the source has and that not every server takes,
once, however many collections have it; the server makes it in an empty collection of the database
\`linkspan_probe_\` and an id, asks for it again, which must change nothing, and drops it. Each kind that is
refused, or that is not kept as it was made, is an error of its own. A migration does the same with the same
code: one whose options are refused would fail at its start, one whose index is refused at its cutover.
- At most ${MAX_SAMPLES} kinds, one of each family first, and 10 seconds: what is over is
  \`DESTINATION_STRUCTURE_NOT_TRIED\`.
- The database is dropped when the validation ends. What a server that was killed left there is dropped by the
  next validation that is an hour younger.
- Whether keys of an index are too long is not asked: the limit of 1,024 bytes ended with feature compatibility
  version 4.2, and the server's driver speaks to MongoDB 4.4 and newer, which have no lower one.

## What is estimated
\`estimate\` of the same answer, and below the findings on the command line:

| Field | What it is |
| --- | --- |
| \`collections\`, \`documents\`, \`dataBytes\` | by the source's own bookkeeping |
| \`destinationBytesNeeded\` | what documents and indexes take on disk at the source, and a fifth more |
| \`destinationBytesFree\` | as \`dbStats\` of the destination's primary tells it; null where it does not |
| \`readBytesPerSecond\` | of a sample of the largest collection, up to 8 MiB, by one reader |
| \`linkBytesPerSecond\` | of a mebibyte that was sent to the server, in documents as compressible as the sample |
| \`copySeconds\` | all of the documents at the slower of the two. The copy reads and sends with several at once, which makes it shorter; the destination has to write it, which may make it longer. |
| \`confidence\` | MEDIUM after a sample of 4 MiB or more, else LOW |

A disk of the agent with little space, a short oplog and clocks that differ are warnings, since they do not
stop a migration by themselves.
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
  {
    path: 'docs/options.md',
    text: `${MADE}

# Options of server and agent

A flag stands above the environment, that above the YAML file of \`--config\`, that above the default. In the
file the name is in camelCase: \`--data-dir\` is \`dataDir\` there. Those with a star have no place in it. A boolean
takes \`true\` or \`false\`; its flag alone means \`true\`.

## linkspan server
\`init\`, \`store\` (but for \`copy\`), \`secrets rotate\` and \`organizations unlock\` take the first ${Object.keys(STORE_OPTIONS).length} after \`--config\`, as flags or from the
environment, and read no file.

${describeOptions(SERVER_OPTIONS, SERVER_ENVIRONMENT_PREFIX)}

\`LINKSPAN_SERVER_MASTER_KEY\` holds the master key itself, and has no flag: see [Security](13-security.md#the-master-key).

## linkspan agent
\`hostname\` and \`projects\` stand in [the agent's file](cli.md#the-agents-file) alone.

${describeOptions(AGENT_OPTIONS, AGENT_ENVIRONMENT_PREFIX)}

\`LINKSPAN_LINK_TOKEN\` holds the link-token itself, \`LINKSPAN_AGENT_ADMIN_PRIVATE_KEY\` the private key of the admin
port; neither has a flag.
`,
  },
];

/** `migrationHost` in words. */
function words(name: string): string {
  if (name === 'link') return 'organization link';
  const spaced = name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  return spaced.replace('api ', 'API ');
}
