import type { FastifyRequest } from 'fastify';
import type { Principal } from '../domain/access.ts';
import { addressList, plainAddress } from '../domain/addresses.ts';
import { apiError, unavailable } from '@linkspan/contract/serving/apiError.ts';
import type { Directory, KeyRecord } from '../operations/directory.ts';
import { ChallengeError, verifyDigest } from '@linkspan/contract/serving/digest.ts';
import type { Nonces } from '@linkspan/contract/serving/nonces.ts';

/** Who calls, and from which addresses that key may call. */
export interface Caller {
  readonly principal: Principal;
  readonly accessList: readonly string[];
}

/** A Bearer token was sent and is not valid. */
export class BearerRefusedError extends Error {
  override readonly name = 'BearerRefusedError';
}

/**
 * Establishes who calls, from the `Authorization` header.
 * @throws {ChallengeError} without valid credentials
 * @throws {BearerRefusedError} with a Bearer token: there are no service accounts yet
 * @throws {ApiError} SERVICE_UNAVAILABLE if the key cannot be looked up: never a 401 (rule C6)
 */
export async function authenticate(
  request: FastifyRequest,
  nonces: Nonces,
  directory: Directory,
): Promise<Caller> {
  const { authorization } = request.headers;
  if (authorization !== undefined && /^bearer\s/i.test(authorization)) {
    throw new BearerRefusedError('the access token is not valid');
  }
  const found: { key: KeyRecord | null } = { key: null };
  const publicKey = await verifyDigest(
    { authorization, method: request.method, target: request.raw.url ?? '' },
    nonces,
    async (name) => {
      found.key = await lookUp(request, directory, name);
      return found.key?.ha1 ?? null;
    },
  ).catch((error: unknown) => {
    // A challenge is not a refusal: only an answer that fails is worth a line (rule C11).
    if (error instanceof ChallengeError && !error.stale && authorization !== undefined) {
      request.log.warn({ remoteAddress: request.ip }, 'credentials were refused');
    }
    throw error;
  });
  const { key } = found;
  if (key === null) throw new Error('a key was verified that does not exist');
  const { apiKeyId, orgId, orgRoles, projectRoles, accessList } = key;
  const remoteAddress = plainAddress(request.ip);
  return {
    principal: {
      credential: { kind: 'apiKey', apiKeyId, publicKey },
      orgId,
      orgRoles,
      projectRoles,
      remoteAddress,
    },
    accessList,
  };
}

/** @throws {ApiError} IP_ADDRESS_NOT_ON_ACCESS_LIST if the key has a list and the caller is not on it */
export function checkAccessList({ principal, accessList }: Caller): void {
  if (accessList.length === 0) return;
  if (!addressList(accessList).contains(principal.remoteAddress)) {
    throw apiError('IP_ADDRESS_NOT_ON_ACCESS_LIST', principal.remoteAddress);
  }
}

async function lookUp(
  request: FastifyRequest,
  directory: Directory,
  publicKey: string,
): Promise<KeyRecord | null> {
  try {
    return await directory.findKey(publicKey);
  } catch (error) {
    request.log.error({ err: error }, 'an API key cannot be looked up');
    throw unavailable('The store does not answer. Try again later.', 5);
  }
}
