import { MAX_BODY_BYTES } from '@linkspan/contract/push/version.ts';
import type { FastifyReply, FastifyRequest } from 'fastify';

import { ByteBudget, SizedBudget, type Asker, type ByteLease } from './byteBudget.ts';
import { PushError } from './errors.ts';

/** Received bodies, in bytes: backpressure begins here when the destination is slower. */
const INBOUND_BYTES = 2 * MAX_BODY_BYTES;
/** Of one link, in bytes: one that sends slowly keeps no other one waiting. */
const INBOUND_SHARE = MAX_BODY_BYTES;

/** Nobody hears it. */
const GONE = new PushError('MESSAGE_INVALID', 'The sender has gone before it was answered.');

/** Aborts once a request is answered, or its sender has gone, whichever way: nobody waits for it any more. */
export function overSignal({ raw }: FastifyReply): AbortSignal {
  if (raw.destroyed) return AbortSignal.abort(GONE);
  const over = new AbortController();
  raw.once('close', () => over.abort(GONE));
  return over.signal;
}

/**
 * How long a body may become, in bytes: the largest there may be where its sender does not say.
 * @throws {PushError} MESSAGE_INVALID for a body that is larger than any may be
 */
export function declaredLength({ headers }: FastifyRequest): number {
  const length = Number(headers['content-length'] ?? MAX_BODY_BYTES);
  if (length >= 0 && length <= MAX_BODY_BYTES) return length;
  throw new PushError('MESSAGE_INVALID', `A body has at most ${MAX_BODY_BYTES} bytes.`);
}

/** Bytes on their way in, set aside before they are read. */
export class Inbound {
  readonly #budget = new SizedBudget(new ByteBudget(INBOUND_BYTES, INBOUND_SHARE));
  readonly #leases = new WeakMap<FastifyRequest, ByteLease>();

  /**
   * Waits for room for a body. It is given back by {@link release}, and at the latest when the request is over.
   * @throws {PushError} MESSAGE_INVALID for a body that is larger than any may be, and when its sender has gone
   */
  async admit(request: FastifyRequest, asker: Required<Asker>): Promise<void> {
    const { signal } = asker;
    const lease = await this.#budget.acquire(declaredLength(request), asker);
    this.#leases.set(request, lease);
    signal.addEventListener('abort', () => this.release(request), { once: true });
    if (!signal.aborted) return;
    this.release(request);
    throw GONE;
  }

  /** Once the body is decompressed. */
  release(request: FastifyRequest): void {
    this.#leases.get(request)?.[Symbol.dispose]();
  }
}
