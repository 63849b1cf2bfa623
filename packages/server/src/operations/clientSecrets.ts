import {
  MAX_SECRET_HOURS,
  MIN_SECRET_HOURS,
  type ServiceAccountSecret,
} from '@linkspan/contract/api/serviceAccounts.ts';
import { attributeError } from '@linkspan/contract/serving/apiError.ts';
import { newId } from '../domain/ids.ts';
import { secretHash } from '../domain/keyPair.ts';
import { maskedSecret, newClientSecret, secretSuffix } from '../domain/serviceAccount.ts';
import { apiTime, timestamp } from '../domain/time.ts';
import type { Executor } from '../store/executor.ts';
import * as organizations from '../store/organizations.ts';
import type { ServiceAccountSecretRow } from '../store/schema.ts';
import * as secrets from '../store/serviceAccountSecrets.ts';

const HOUR_MS = 60 * 60_000;

/** A secret that was just made: the only moment at which it is known. */
export interface NewSecret {
  readonly row: ServiceAccountSecretRow;
  readonly secret: string;
}

/**
 * Gives an account a secret.
 * @throws {ApiError} INVALID_ATTRIBUTE for a life that is too short or too long for the organization
 */
export async function insertSecret(
  tx: Executor,
  orgId: string,
  clientId: string,
  hours: number,
): Promise<NewSecret> {
  const longest = longestLife((await organizations.find(tx, orgId))?.settings ?? '{}');
  if (hours < MIN_SECRET_HOURS || hours > longest) {
    throw attributeError(
      'INVALID_ATTRIBUTE',
      'secretExpiresAfterHours',
      `must be ${MIN_SECRET_HOURS} to ${longest} hours in this organization`,
    );
  }
  const now = Date.now();
  const secret = newClientSecret();
  const row: ServiceAccountSecretRow = {
    id: newId(),
    client_id: clientId,
    secret_hash: secretHash(secret),
    secret_suffix: secretSuffix(secret),
    created_at: timestamp(new Date(now)),
    expires_at: timestamp(new Date(now + hours * HOUR_MS)),
    last_used_at: null,
  };
  await secrets.insert(tx, row);
  return { row, secret };
}

/**
 * A secret as the API shows it.
 * @param secret given only in the answer to its creation
 */
export function toSecret(row: ServiceAccountSecretRow, secret?: string): ServiceAccountSecret {
  return {
    createdAt: apiTime(row.created_at),
    expiresAt: apiTime(row.expires_at),
    id: row.id,
    ...(row.last_used_at === null ? {} : { lastUsedAt: apiTime(row.last_used_at) }),
    ...(secret === undefined ? { maskedSecretValue: maskedSecret(row.secret_suffix) } : { secret }),
  };
}

/** The organization's setting, in hours, where it has one. */
function longestLife(settings: string): number {
  const { maxServiceAccountSecretValidityInHours: hours } = JSON.parse(settings) as Readonly<
    Record<string, unknown>
  >;
  return typeof hours === 'number' ? hours : MAX_SECRET_HOURS;
}
