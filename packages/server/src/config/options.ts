import type { Options } from '@linkspan/contract/options/declare.ts';

export const SERVER_ENVIRONMENT_PREFIX = 'LINKSPAN_SERVER_';

/** Options that say where the store is: those of `linkspan init` too. */
export const STORE_OPTIONS = {
  dataDir: {
    type: 'path',
    default: './linkspan-data',
    description: 'Directory of the store and, unless another file is named, of its master key',
  },
  masterKeyFile: {
    type: 'path',
    description:
      'File with the key that secrets are sealed under, 32 bytes in hex or base64, or LINKSPAN_SERVER_MASTER_KEY with the key itself; made in the data directory if absent',
  },
  masterKeyCommand: {
    type: 'string',
    description:
      'Program, with arguments that have no spaces, that prints this key, as a helper of a KMS does; run without a shell',
  },
  store: {
    type: 'string',
    description:
      'PostgreSQL database that keeps the state instead of a file in the data directory, postgres://user@host/database; with a password in it only in the environment or a file',
  },
  storeFile: {
    type: 'path',
    description: 'File with the connection string of that database, its password included',
  },
  storeConnections: {
    type: 'integer',
    minimum: 2,
    maximum: 1000,
    default: 10,
    description: 'Connections to that database that this server makes at most',
  },
} as const satisfies Options;

/** Every option of `linkspan server`. */
export const SERVER_OPTIONS = {
  config: {
    type: 'path',
    inFile: false,
    description: 'YAML file with any of these options, in camelCase',
  },
  ...STORE_OPTIONS,
  host: {
    type: 'string',
    default: '127.0.0.1',
    description: 'Address to listen on; 0.0.0.0 for all',
  },
  port: {
    type: 'integer',
    minimum: 0,
    maximum: 65_535,
    default: 8080,
    description: 'Port to listen on; 0 takes a free one',
  },
  tlsCertFile: {
    type: 'path',
    description:
      'Certificate of this server in PEM, with the intermediate ones below it; then it speaks https alone. Read again whenever it changes',
  },
  tlsKeyFile: {
    type: 'path',
    description: 'Private key of that certificate, in PEM without a passphrase',
  },
  agentCaFile: {
    type: 'path',
    description:
      'Certificate authorities, in PEM: agents have to show a certificate that one of them has signed; clients of the API need none',
  },
  publicUrl: {
    type: 'string',
    description:
      'URL that clients and agents reach the server at, https behind a proxy; stands in link-tokens',
  },
  nodeUrl: {
    type: 'string',
    description:
      'URL that other server nodes reach this one at, for pushes that come to the wrong one; where it listens if absent',
  },
  nodeCaFile: {
    type: 'path',
    description:
      "Certificate authorities, in PEM, that the other nodes' certificates are signed by; the system's if absent",
  },
  leaseSeconds: {
    type: 'integer',
    minimum: 3,
    maximum: 60,
    default: 10,
    description:
      'Seconds for which a push session belongs to a node that does not renew it: so long it takes until another one may go on. The same on every node',
  },
  drainSeconds: {
    type: 'integer',
    minimum: 0,
    maximum: 600,
    default: 0,
    description:
      'Seconds that a server which is told to stop still answers, while it says that it is not ready: as long as a load balancer needs to notice',
  },
  allowedNetworks: {
    type: 'string',
    default: '',
    description:
      'Loopback, link-local or metadata networks that destinations may be in all the same: addresses and CIDR blocks, with commas',
  },
  trustedProxies: {
    type: 'string',
    default: '',
    description:
      'Reverse proxies whose X-Forwarded-For is believed: addresses and CIDR blocks, with commas',
  },
  maxConnections: {
    type: 'integer',
    minimum: 10,
    maximum: 1_000_000,
    default: 20_000,
    description:
      'Connections of clients and agents at once; more are closed as they come. The system has to allow as many open files',
  },
  goneVersions: {
    type: 'string',
    default: '',
    description:
      'Versions of /api/atlas/v2 to take out of service before their time: dates, with commas; an operation that has a newer one answers 410',
  },
  rateLimits: {
    type: 'boolean',
    default: true,
    description: 'Whether requests to the API are limited, as Atlas does',
  },
  rateLimitPercent: {
    type: 'integer',
    minimum: 1,
    maximum: 1_000_000,
    default: 100,
    description:
      "How many requests are allowed, in percent of Atlas's limits: both how many at once and how many a minute",
  },
  signingKeyDays: {
    type: 'integer',
    minimum: 1,
    maximum: 365,
    default: 30,
    description:
      'Days for which a key signs access tokens of service accounts; then a new one takes its place',
  },
  removalWaitSeconds: {
    type: 'integer',
    minimum: 1,
    maximum: 600,
    default: 30,
    description:
      'Seconds that the removal of a link-token waits for writes under way before it answers 503',
  },
  linkTokenHours: {
    type: 'integer',
    minimum: 1,
    maximum: 720,
    default: 24,
    description: 'Hours for which a link-token can be presented; it is used up by the first host',
  },
  hostSilenceSeconds: {
    type: 'integer',
    minimum: 60,
    maximum: 86_400,
    default: 300,
    description:
      'Seconds after which the live migrations of a silent migration host are given to another host of the link',
  },
  windowHours: {
    type: 'integer',
    minimum: 1,
    maximum: 8760,
    default: 120,
    description:
      'Hours that a live migration may go on after it was first ready for cutover; then it is EXPIRED. For new migrations',
  },
  logLevel: {
    type: 'string',
    choices: ['debug', 'info', 'warn', 'error', 'silent'],
    default: 'info',
    description: 'Least severe messages that are logged',
  },
  readyFile: {
    type: 'path',
    inFile: false,
    description: 'File written once the server listens: JSON with its url',
  },
} as const satisfies Options;
