import type { Options } from '@linkspan/contract/options/declare.ts';

export const AGENT_ENVIRONMENT_PREFIX = 'LINKSPAN_AGENT_';

/** A link-token comes from here, from a file or from standard input, never from an argument (rule C5). */
export const LINK_TOKEN_VARIABLE = 'LINKSPAN_LINK_TOKEN';

/** The private key of the admin port comes from here or from a file, never from an argument. */
export const ADMIN_PRIVATE_KEY_VARIABLE = 'LINKSPAN_AGENT_ADMIN_PRIVATE_KEY';

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
  tlsCaFile: {
    type: 'path',
    description:
      "Certificate authorities, in PEM, that the server's certificate is signed by; the system's if absent",
  },
  tlsCertFile: {
    type: 'path',
    description: 'Certificate of this migration host in PEM, for a server that demands one',
  },
  tlsKeyFile: {
    type: 'path',
    description: 'Private key of that certificate, in PEM without a passphrase',
  },
  copyRangeBytes: {
    type: 'integer',
    minimum: 65_536,
    maximum: Number.MAX_SAFE_INTEGER,
    description:
      'Bytes of a part of a collection that is copied by itself, by this host or another one of its link; 64 MiB if absent, and none where the source is slow to begin a read',
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
    description:
      'File written once this host is linked and its deployments are reported, or waits to be linked',
  },
  adminPort: {
    type: 'integer',
    minimum: 0,
    maximum: 65_535,
    description:
      'Port that links and unlinks this host as Ops Manager does; off if absent, 0 takes a free one',
  },
  adminHost: {
    type: 'string',
    default: '127.0.0.1',
    description: 'Address that the admin port listens on',
  },
  adminOrgId: {
    type: 'string',
    description: 'Organization of the source side that the admin port answers for: 24 hex digits',
  },
  adminPublicKey: {
    type: 'string',
    description: 'Public key that the admin port demands',
  },
  adminPrivateKeyFile: {
    type: 'path',
    description: `File that holds the private key of the admin port; ${ADMIN_PRIVATE_KEY_VARIABLE} is read if absent`,
  },
} as const satisfies Options;
