import type { Options } from '@linkspan/contract/options/declare.ts';

export const AGENT_ENVIRONMENT_PREFIX = 'LINKSPAN_AGENT_';

/** A link-token comes from here, from a file or from standard input, never from an argument (rule C5). */
export const LINK_TOKEN_VARIABLE = 'LINKSPAN_LINK_TOKEN';

/** Every option of `linkspan agent`; `projects` and `hostname` stand in the configuration file only. */
export const AGENT_OPTIONS = {
  config: {
    type: 'path',
    inFile: false,
    description: 'YAML file that lists the projects and deployments that may be migrated',
  },
  stateDir: {
    type: 'path',
    default: './linkspan-agent',
    description: 'Directory of the identity of this migration host and its journals',
  },
  linkTokenFile: {
    type: 'path',
    description: `File that holds the link-token, or - for standard input; ${LINK_TOKEN_VARIABLE} is read if absent`,
  },
  logLevel: {
    type: 'string',
    choices: ['debug', 'info', 'warn', 'error'],
    default: 'info',
    description: 'Least severe messages that are logged',
  },
  readyFile: {
    type: 'path',
    inFile: false,
    description: 'File written once this host is linked and its deployments are reported',
  },
} as const satisfies Options;
