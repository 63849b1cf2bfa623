import type { FastifyRequest } from 'fastify';
import { API_ERRORS, formatDetail } from '@linkspan/contract/api/errors.ts';
import { ApiError, apiError, unavailable } from '@linkspan/contract/serving/apiError.ts';
import { type Credential, credentialId, type Principal } from '../domain/access.ts';
import { addressList, peerAddress } from '../domain/addresses.ts';
import type { AccessListUse } from '../operations/accessListUse.ts';
import type { AccessTokens } from '../operations/accessTokens.ts';
import type { CredentialRecord, Directory, KeyRecord } from '../operations/directory.ts';
import type { SignInAccount } from '../operations/signInAudit.ts';
import type { SignIns } from '../operations/signIns.ts';
import {
  ChallengeError,
  type SharedNonceUse,
  verifyDigest,
} from '@linkspan/contract/serving/digest.ts';
import type { Nonces } from '@linkspan/contract/serving/nonces.ts';

/** Methods that change nothing. */
const READS = new Set(['GET', 'HEAD', 'OPTIONS']);

export interface AuthenticationDependencies {
  readonly nonces: Nonces;
  /** Where several nodes share a store: what keeps one of them from taking what another took. */
  readonly sharedNonceUse: SharedNonceUse | null;
  readonly directory: Directory;
  readonly accessTokens: AccessTokens;
  readonly signIns: SignIns;
  readonly accessListUse: AccessListUse;
}

/** Who calls, and from which addresses that credential may call. */
export interface Caller {
  readonly principal: Principal;
  readonly accessList: readonly string[];
  /** Whether its organization demands a list of every credential. */
  readonly accessListRequired: boolean;
  /** The same caller as it is now: the credential is looked up again. Throws as `authenticate` does. */
  readonly again: () => Promise<Caller>;
}

/** A Bearer token was sent and is not valid. */
export class BearerRefusedError extends Error {
  override readonly name = 'BearerRefusedError';
}

/**
 * Establishes who calls, from the `Authorization` header.
 * @throws {ChallengeError} without valid credentials
 * @throws {BearerRefusedError} with a Bearer token that is not valid
 * @throws {ApiError} TOO_MANY_FAILED_SIGN_INS; SERVICE_UNAVAILABLE if the credential cannot be
 *   looked up: never a 401 (rule C6)
 */
export async function authenticate(
  request: FastifyRequest,
  dependencies: AuthenticationDependencies,
): Promise<Caller> {
  const bearer = /^bearer(?:\s+(.*))?$/is.exec(request.headers.authorization ?? '');
  return bearer === null
    ? authenticateDigest(request, dependencies)
    : authenticateBearer(request, bearer[1]?.trim() ?? '', dependencies);
}

async function authenticateDigest(
  request: FastifyRequest,
  { nonces, sharedNonceUse, directory, signIns }: AuthenticationDependencies,
): Promise<Caller> {
  const { authorization } = request.headers;
  const remoteAddress = peerAddress(request.ip);
  const asked: { name: string | null; key: KeyRecord | null } = { name: null, key: null };
  const publicKey = await verifyDigest(
    { authorization, method: request.method, target: request.raw.url ?? '' },
    nonces,
    async (name) => {
      checkBackoff(signIns, name, remoteAddress);
      asked.name = name;
      asked.key = await lookUp(request, () => directory.findKey(name));
      return asked.key?.ha1 ?? null;
    },
    // To read twice does no harm, so it does not cost a write (rule C7).
    sharedNonceUse === null || READS.has(request.method)
      ? null
      : (nonce, count) => lookUp(request, () => sharedNonceUse(nonce, count)),
  ).catch((error: unknown) => {
    // A challenge is not a refusal: only an answer to one of ours that is wrong is (rule C11).
    if (error instanceof ChallengeError && !error.stale && asked.name !== null) {
      request.log.warn({ remoteAddress }, 'credentials were refused');
      const account = asked.key === null ? null : accountOf(asked.key);
      signIns.failed(asked.name, remoteAddress, account, 'WRONG_SECRET');
    }
    throw error;
  });
  const { key } = asked;
  if (key === null) throw new Error('a key was verified that does not exist');
  signIns.succeeded(publicKey, remoteAddress);
  const { apiKeyId } = key;
  // Only now: to look up more of a key that exists would tell by the time it takes that it does.
  const caller = async (): Promise<Caller> => {
    const rights = await lookUp(request, () => directory.findKeyRights(publicKey));
    if (rights === null) throw new ChallengeError(false);
    return callerOf({ kind: 'apiKey', apiKeyId, publicKey }, rights, remoteAddress, caller);
  };
  return caller();
}

/** A token has to be one that this server signed, and one that the store has (rule C6). */
async function authenticateBearer(
  request: FastifyRequest,
  text: string,
  { directory, accessTokens, signIns }: AuthenticationDependencies,
): Promise<Caller> {
  const remoteAddress = peerAddress(request.ip);
  const token = await lookUp(request, () => accessTokens.read(text));
  const caller = async (): Promise<Caller> => {
    const account =
      token === null
        ? null
        : await lookUp(request, () => directory.findAccount(token.clientId, token.tokenId));
    if (token === null || account === null || token.expired || !account.tokenIsLive) {
      request.log.warn({ remoteAddress }, 'an access token was refused');
      if (account !== null) {
        const { clientId: id, orgId } = account;
        const owner = { kind: 'serviceAccount', id, orgId } as const;
        signIns.refused(owner, remoteAddress, 'INVALID_ACCESS_TOKEN');
      }
      throw new BearerRefusedError('the access token is not valid');
    }
    const { clientId } = token;
    return callerOf({ kind: 'serviceAccount', clientId }, account, remoteAddress, caller);
  };
  return caller();
}

function callerOf(
  credential: Credential,
  { orgId, orgRoles, projectRoles, accessList, accessListRequired }: CredentialRecord,
  remoteAddress: string,
  again: () => Promise<Caller>,
): Caller {
  return {
    principal: { credential, orgId, orgRoles, projectRoles, remoteAddress },
    accessList,
    accessListRequired,
    again,
  };
}

/**
 * @returns the entry of the access list that lets the caller in; null where it needs none
 * @throws {ApiError} ORG_REQUIRES_ACCESS_LIST without a list where the organization demands one;
 *   IP_ADDRESS_NOT_ON_ACCESS_LIST if there is a list and the caller is not on it
 */
export function checkAccessList(caller: Caller, signIns: SignIns): string | null {
  const { principal, accessList, accessListRequired } = caller;
  const { credential, orgId, remoteAddress } = principal;
  const account = { kind: credential.kind, id: credentialId(credential), orgId };
  if (accessList.length === 0) {
    if (!accessListRequired) return null;
    signIns.refused(account, remoteAddress, 'NO_ACCESS_LIST');
    throw apiError('ORG_REQUIRES_ACCESS_LIST', remoteAddress);
  }
  const admitting = accessList.find((cidr) => addressList([cidr]).contains(remoteAddress));
  if (admitting !== undefined) return admitting;
  signIns.refused(account, remoteAddress, 'ADDRESS_NOT_ON_ACCESS_LIST');
  throw apiError('IP_ADDRESS_NOT_ON_ACCESS_LIST', remoteAddress);
}

/** @throws {ApiError} TOO_MANY_FAILED_SIGN_INS while this address has to wait with this name */
export function checkBackoff(signIns: SignIns, name: string, remoteAddress: string): void {
  const seconds = signIns.waitSeconds(name, remoteAddress);
  if (seconds === 0) return;
  const { code, status, detail } = API_ERRORS.TOO_MANY_FAILED_SIGN_INS;
  const parameters = [remoteAddress, `${seconds}`];
  throw new ApiError({
    code,
    status,
    detail: formatDetail(detail, parameters),
    parameters,
    retryAfterSeconds: seconds,
  });
}

function accountOf({ apiKeyId, orgId }: KeyRecord): SignInAccount {
  return { kind: 'apiKey', id: apiKeyId, orgId };
}

async function lookUp<T>(request: FastifyRequest, find: () => Promise<T>): Promise<T> {
  try {
    return await find();
  } catch (error) {
    request.log.error({ err: error }, 'a credential cannot be looked up');
    throw unavailable('The store does not answer. Try again later.', 5);
  }
}
