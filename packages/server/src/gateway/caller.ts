import type { TLSSocket } from 'node:tls';

import type { FastifyRequest } from 'fastify';

import type { GatewayContext } from './context.ts';
import { PushError } from './errors.ts';

/** Who stands at the other end of a request, before anything is known of its credentials. */
export interface Caller {
  readonly address: string;
  /** It has shown a certificate that is signed by an authority of `--agent-ca-file`. */
  readonly isCertified: boolean;
}

/**
 * Who sends a request, to this node or to the one that handed it on.
 * @throws {PushError} CLIENT_CERTIFICATE_REFUSED where certificates are demanded; NODE_UNAVAILABLE
 */
export function callerOf(
  { forwarding, agentCertificates }: GatewayContext,
  request: FastifyRequest,
): Caller {
  const caller = forwarding.callerOf(request) ?? {
    address: request.ip,
    isCertified: agentCertificates && (request.raw.socket as TLSSocket).authorized === true,
  };
  if (!agentCertificates || caller.isCertified) return caller;
  throw new PushError('CLIENT_CERTIFICATE_REFUSED', reasonOf(request.raw.socket as TLSSocket));
}

function reasonOf({ authorizationError }: TLSSocket): string {
  const why = authorizationError as unknown as string | Error | null | undefined;
  const code = why instanceof Error ? (why as NodeJS.ErrnoException).code : why;
  return `This server demands a certificate of migration hosts, and none came that it trusts (${code ?? 'none'}): start the agent with --tls-cert-file and --tls-key-file.`;
}
