import {
  RegisterHostReply,
  type Inventory,
  type RegisterHost,
} from '@linkspan/contract/push/host.ts';
import { type Progress } from '@linkspan/contract/push/progress.ts';
import {
  MigrationStatusReply,
  OpenSessionReply,
  type MigrationStatus,
  type OpenSession,
} from '@linkspan/contract/push/session.ts';
import { type ValidationReport } from '@linkspan/contract/push/validation.ts';
import { WorkReply, type WorkRequest } from '@linkspan/contract/push/work.ts';
import type { Static, TSchema } from 'typebox';
import Value from 'typebox/value';

import {
  DigestCursorLostError,
  LinkRefusedError,
  MigrationEndedError,
  MigrationPausedError,
  PushRefusedError,
  SessionFencedError,
  SubLeaseEndedError,
} from './errors.ts';
import { PushAnswerError, TransientPushError, type PushTransport } from './transport.ts';

const TIMEOUT_MS = 30_000;
const OCTETS = 'application/octet-stream';

/** Opening a session waits until nothing of an older one can land any more. */
const OPEN_TIMEOUT_MS = 5 * 60_000;

/** What authenticates a migration host: an id that is no secret, and 256 random bits in hex. */
export interface HostCredentials {
  readonly hostId: string;
  readonly hostSecret: string;
}

/** For the `Authorization` header of every request but the registration. */
export function hostAuthorization(credentials: HostCredentials): string {
  return `Bearer ${credentials.hostId}.${credentials.hostSecret}`;
}

/**
 * Uses up a link-token for this host. Idempotent for the same host and secret.
 * @throws {LinkRefusedError} where the token is refused
 * @throws {TransientPushError} | {PushRefusedError}
 */
export async function registerHost(
  transport: PushTransport,
  linkToken: string,
  message: RegisterHost,
  signal: AbortSignal,
): Promise<RegisterHostReply> {
  return await postJson(transport, '/hosts', message, RegisterHostReply, {
    authorization: `Bearer ${linkToken}`,
    timeoutMs: TIMEOUT_MS,
    signal,
  });
}

/**
 * The requests of a linked host. Each makes one attempt: trying again is the caller's decision.
 * All of them throw {@link LinkRefusedError}, {@link PushRefusedError} or {@link TransientPushError}.
 */
export class HostClient {
  readonly #transport: PushTransport;
  readonly #authorization: string;

  constructor(transport: PushTransport, credentials: HostCredentials) {
    this.#transport = transport;
    this.#authorization = hostAuthorization(credentials);
  }

  async inventory(message: Inventory, signal: AbortSignal): Promise<void> {
    await this.#post('/inventory', message, null, signal);
  }

  /** The source side has unlinked this host: its credentials are worth nothing from here on. */
  async unlink(signal: AbortSignal): Promise<void> {
    await this.#post('/unlink', {}, null, signal);
  }

  /** The long poll: comes back when the list of work differs, or after `waitSeconds`. */
  async work(message: WorkRequest, signal: AbortSignal): Promise<WorkReply> {
    const timeoutMs = TIMEOUT_MS + message.waitSeconds * 1000;
    return await this.#post('/work', message, WorkReply, signal, timeoutMs);
  }

  async reportValidation(id: string, report: ValidationReport, signal: AbortSignal): Promise<void> {
    await this.#post(`/validations/${id}/report`, { ...report, sentAt: Date.now() }, null, signal);
  }

  /** Sends bytes that mean nothing, to see how fast they go. */
  async probeLink(id: string, bytes: Uint8Array, signal: AbortSignal): Promise<void> {
    const headers = { authorization: this.#authorization, 'content-type': OCTETS };
    const path = `/validations/${id}/probe`;
    await this.#transport.post(path, { headers, body: bytes, timeoutMs: TIMEOUT_MS, signal });
  }

  /** @throws {MigrationEndedError} too */
  async reportPaused(migrationId: string, progress: Progress, signal: AbortSignal): Promise<void> {
    await this.#post(`/migrations/${migrationId}/paused`, progress, null, signal);
  }

  /** Of a migration that this host has, or had. @throws {MigrationEndedError} if it is not known */
  async migrationStatus(
    migrationId: string,
    message: MigrationStatus,
    signal: AbortSignal,
  ): Promise<MigrationStatusReply> {
    const path = `/migrations/${migrationId}/status`;
    return await this.#post(path, message, MigrationStatusReply, signal);
  }

  /** @throws {MigrationEndedError} {@link MigrationPausedError} too */
  async reportWaiting(migrationId: string, progress: Progress, signal: AbortSignal): Promise<void> {
    await this.#post(`/migrations/${migrationId}/waiting`, progress, null, signal);
  }

  /** @throws {MigrationEndedError} {@link SessionFencedError} {@link MigrationPausedError} too */
  async openSession(
    migrationId: string,
    message: OpenSession,
    signal: AbortSignal,
  ): Promise<OpenSessionReply> {
    const path = `/migrations/${migrationId}/sessions`;
    try {
      return await this.#post(path, message, OpenSessionReply, signal, OPEN_TIMEOUT_MS);
    } catch (error) {
      // The server has ended the session before it was open: that refuses nothing.
      if (!(error instanceof PushRefusedError) || error.code !== 'SESSION_UNKNOWN') throw error;
      throw new TransientPushError(error.message, 0, error);
    }
  }

  #post<S extends TSchema | null>(
    path: string,
    message: object,
    reply: S,
    signal: AbortSignal,
    timeoutMs = TIMEOUT_MS,
  ): Promise<S extends TSchema ? Static<S> : null> {
    const authorization = this.#authorization;
    return postJson(this.#transport, path, message, reply, { authorization, timeoutMs, signal });
  }
}

/**
 * Checks an answer. Fields that a newer server has added are dropped.
 * @throws {TransientPushError} where it is none of the protocol's: something between answered
 */
export function readReply<S extends TSchema>(schema: S, body: Buffer, path: string): Static<S> {
  let value: unknown;
  try {
    value = Value.Clean(schema, JSON.parse(body.toString('utf8')));
  } catch {
    value = undefined;
  }
  if (!Value.Check(schema, value)) {
    throw new TransientPushError(`the answer to ${path} is not one of a Linkspan server`);
  }
  return value;
}

/** Turns the protocol's final errors into those that callers know. */
export function finalError(error: PushAnswerError): Error {
  switch (error.code) {
    case 'LINK_REFUSED':
    case 'LINK_TOKEN_REFUSED':
      return new LinkRefusedError(error.message);
    case 'MIGRATION_NOT_ACTIVE':
      return new MigrationEndedError(error.message);
    case 'SESSION_FENCED':
      return new SessionFencedError(error.message);
    case 'MIGRATION_PAUSED':
      return new MigrationPausedError(error.message);
    case 'SUB_LEASE_ENDED':
      return new SubLeaseEndedError(error.message);
    case 'DIGEST_CURSOR_LOST':
      return new DigestCursorLostError(error.message);
    default:
      return new PushRefusedError(error.code, error.message);
  }
}

async function postJson<S extends TSchema | null>(
  transport: PushTransport,
  path: string,
  message: object,
  reply: S,
  options: { authorization: string; timeoutMs: number; signal: AbortSignal },
): Promise<S extends TSchema ? Static<S> : null> {
  try {
    const body = await transport.post(path, {
      headers: { authorization: options.authorization, 'content-type': 'application/json' },
      body: JSON.stringify(message),
      timeoutMs: options.timeoutMs,
      signal: options.signal,
    });
    return (reply === null ? null : readReply(reply, body, path)) as S extends TSchema
      ? Static<S>
      : null;
  } catch (error) {
    throw error instanceof PushAnswerError ? finalError(error) : error;
  }
}
