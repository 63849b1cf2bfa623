import { createHash, randomBytes } from 'node:crypto';

import { ConfigurationError } from '@linkspan/contract/options/declare.ts';
import { decodeLinkToken, type LinkTokenContent } from '@linkspan/contract/push/linkToken.ts';
import type { TlsFiles } from '@linkspan/contract/tls/files.ts';
import type { Logger } from 'pino';

import { Backoff } from '../push/backoff.ts';
import { registerHost } from '../push/client.ts';
import { LinkRefusedError } from '../push/errors.ts';
import { PushTransport, TransientPushError } from '../push/transport.ts';
import { isLoopback } from './loopback.ts';
import { hasEnded, type EndedLink, type LinkState, type StateDirectory } from './stateDirectory.ts';

export interface Establishing {
  readonly directory: StateDirectory;
  readonly hostname: string;
  readonly agentVersion: string;
  readonly tls?: TlsFiles;
  readonly log: Logger;
  /** Told why the server could not be asked yet. */
  readonly onWaiting?: (reason: string) => void;
}

/** A link that the server has confirmed, now or at an earlier start. */
export type Established = LinkState & { readonly linkId: string };

/** The link that the state directory holds, or null if a link-token is needed. */
export function establishedLink(directory: StateDirectory): Established | null {
  const known = directory.readLink();
  return known !== null && isEstablished(known) ? known : null;
}

/** Why there is nothing to do for a host that has neither link nor link-token. */
export function tokenMissing(directory: StateDirectory): LinkRefusedError | ConfigurationError {
  const known = directory.readLink();
  return known !== null && hasEnded(known)
    ? new LinkRefusedError(
        `the link of this host with ${known.endpoint} ${howEnded(known)}, and no new link-token was given`,
      )
    : new ConfigurationError([
        'no link-token was given: put it into the file of --link-token-file or into LINKSPAN_LINK_TOKEN',
      ]);
}

/**
 * Makes the link of this host, for which the link-token is used up. Waits as long as the server
 * cannot be reached.
 * @throws {ConfigurationError} if the link-token is not usable
 * @throws {LinkRefusedError} if the server refuses the token, or it belongs to a link that has ended
 * @throws the signal's reason
 */
export async function establishLink(
  token: string,
  options: Establishing,
  signal: AbortSignal,
): Promise<Established> {
  const { directory } = options;
  const prepared = prepare(token, directory.readLink());
  // Before the token is presented: a host that dies in between presents itself as the same one.
  directory.writeLink(prepared);
  await using transport = new PushTransport(prepared.endpoint, options.tls);
  try {
    const reply = await register(transport, token, prepared, options, signal);
    const { linkId, heartbeatSeconds } = reply;
    const established = { ...prepared, linkId, heartbeatSeconds };
    directory.writeLink(established);
    return established;
  } catch (error) {
    if (error instanceof LinkRefusedError) directory.endLink(prepared, 'REFUSED');
    throw error;
  }
}

function isEstablished(state: LinkState | EndedLink): state is Established {
  return !hasEnded(state) && state.linkId !== null;
}

function howEnded({ ended }: EndedLink): string {
  return ended === 'UNLINKED' ? 'was unlinked from this side' : 'was removed';
}

function prepare(token: string, known: LinkState | EndedLink | null): LinkState {
  let content: LinkTokenContent;
  try {
    content = decodeLinkToken(token);
  } catch (error) {
    throw new ConfigurationError([(error as Error).message]);
  }
  const tokenHash = createHash('sha256').update(token).digest('hex');
  if (known?.tokenHash === tokenHash) {
    if (!hasEnded(known)) return known;
    throw new LinkRefusedError(
      known.ended === 'UNLINKED'
        ? `this link-token belongs to a link with ${known.endpoint} that was unlinked from this side: ask for a new one`
        : `this link-token belongs to a link with ${known.endpoint} that was removed, or it was refused: ask for a new one`,
    );
  }
  assertSecure(content.endpoint);
  return {
    hostId: randomBytes(12).toString('hex'),
    hostSecret: randomBytes(32).toString('hex'),
    endpoint: content.endpoint,
    orgId: content.orgId,
    tokenHash,
    linkId: null,
    heartbeatSeconds: 1,
  };
}

/** @throws {ConfigurationError} for plain http to another machine: documents and secrets pass here */
function assertSecure(endpoint: string): void {
  const { protocol, hostname } = new URL(endpoint);
  if (protocol === 'https:' || isLoopback(hostname)) return;
  throw new ConfigurationError([
    `the link-token names ${endpoint}: https is demanded for every server but one on this machine`,
  ]);
}

async function register(
  transport: PushTransport,
  token: string,
  state: LinkState,
  options: Establishing,
  signal: AbortSignal,
) {
  const { hostId, hostSecret } = state;
  const { hostname, agentVersion, log } = options;
  const message = { hostId, hostSecret, hostname, agentVersion };
  const backoff = new Backoff();
  for (;;) {
    try {
      return await registerHost(transport, token, message, signal);
    } catch (error) {
      if (!(error instanceof TransientPushError)) throw error;
      log.warn({ reason: error.message }, 'linking waits for the server');
      options.onWaiting?.(error.message);
      await backoff.pause(signal, error.retryAfterMs);
    }
  }
}
