import { readFileSync } from 'node:fs';

import { digestHa1 } from '@linkspan/contract/api/digestAuthentication.ts';
import { REALM } from '@linkspan/contract/serving/digest.ts';
import {
  ConfigurationError,
  flagOf,
  type OptionValues,
} from '@linkspan/contract/options/declare.ts';

import { ADMIN_PRIVATE_KEY_VARIABLE, type AGENT_OPTIONS } from './options.ts';

/** The port through which the source side links and unlinks this host. */
export interface AdminConfig {
  readonly host: string;
  /** 0: a free one. */
  readonly port: number;
  /** The organization of the source side: there is one, and it is this. */
  readonly orgId: string;
  readonly publicKey: string;
  /** HA1 of the key pair: the private key itself is not kept. */
  readonly ha1: string;
}

/** The shapes that a key pair of Ops Manager or Cloud Manager has, and some more. */
const PUBLIC_KEY = /^[\w-]{1,64}$/;
const SHORTEST_PRIVATE_KEY = 16;

/**
 * Reads what the admin port needs. The private key is taken out of the environment in any case.
 * @returns null where there is no admin port
 * @throws {ConfigurationError} naming everything that is missing or wrong, and no part of the key
 */
export function readAdmin(
  options: OptionValues<typeof AGENT_OPTIONS>,
  environment: Record<string, string | undefined>,
): AdminConfig | null {
  const fromEnvironment = environment[ADMIN_PRIVATE_KEY_VARIABLE];
  delete environment[ADMIN_PRIVATE_KEY_VARIABLE];
  const { adminPort: port, adminHost: host, adminOrgId, adminPublicKey } = options;
  if (port === undefined) return null;
  const orgId = adminOrgId ?? '';
  const publicKey = adminPublicKey ?? '';
  const problems: string[] = [];
  if (!/^[0-9a-f]{24}$/.test(orgId)) {
    problems.push(
      `${flagOf('adminOrgId')}: the admin port needs the id of the source organization, 24 lower-case hexadecimal digits`,
    );
  }
  if (!PUBLIC_KEY.test(publicKey)) {
    problems.push(
      `${flagOf('adminPublicKey')}: the admin port needs a public key of 1 to 64 letters, digits, - and _`,
    );
  }
  const privateKey = readPrivateKey(options.adminPrivateKeyFile, fromEnvironment, problems);
  if (problems.length > 0) throw new ConfigurationError(problems);
  return { host, port, orgId, publicKey, ha1: digestHa1(publicKey, REALM, privateKey) };
}

function readPrivateKey(
  file: string | undefined,
  fromEnvironment: string | undefined,
  problems: string[],
): string {
  let text = fromEnvironment ?? '';
  if (file !== undefined) {
    try {
      text = readFileSync(file, 'utf8');
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      problems.push(`${flagOf('adminPrivateKeyFile')}: ${file} cannot be read (${code})`);
      return '';
    }
  }
  text = text.trim();
  if (text.length < SHORTEST_PRIVATE_KEY) {
    const place = file === undefined ? ADMIN_PRIVATE_KEY_VARIABLE : flagOf('adminPrivateKeyFile');
    problems.push(
      `${place}: the admin port needs a private key of at least ${SHORTEST_PRIVATE_KEY} characters`,
    );
  }
  return text;
}
