import { createHash, randomBytes } from 'node:crypto';
import { isIPv4 } from 'node:net';

import { ConfigurationError } from '@linkspan/contract/options/declare.ts';
import { decodeLinkToken, type LinkTokenContent } from '@linkspan/contract/push/linkToken.ts';
import type { Logger } from 'pino';

import { Backoff } from '../push/backoff.ts';
import { registerHost } from '../push/client.ts';
import { LinkRefusedError } from '../push/errors.ts';
import { PushTransport, TransientPushError } from '../push/transport.ts';
import type { LinkState, StateDirectory } from './stateDirectory.ts';

export interface Establishing {
  readonly directory: StateDirectory;
  readonly linkToken: () => Promise<string | null>;
  readonly hostname: string;
  readonly agentVersion: string;
  readonly log: Logger;
}

/** A link that the server has confirmed, now or at an earlier start. */
export type Established = LinkState & { readonly linkId: string };

/**
 * The link of this host: the one that its state directory holds, else a new one, for which the
 * link-token is used up. Waits as long as the server cannot be reached.
 * @throws {ConfigurationError} if there is no usable link-token
 * @throws {LinkRefusedError} if the server refuses the token, or the link was removed
 */
export async function establishLink(
  options: Establishing,
  signal: AbortSignal,
): Promise<Established> {
  const { directory } = options;
  const known = directory.readLink();
  if (known !== null && isEstablished(known)) return known;
  const token = await options.linkToken();
  if (token === null) {
    throw known?.refused === true
      ? new LinkRefusedError(
          `the link of this host with ${known.endpoint} was removed, and no new link-token was given`,
        )
      : new ConfigurationError([
          'no link-token was given: put it into the file of --link-token-file or into LINKSPAN_LINK_TOKEN',
        ]);
  }
  const prepared = prepare(token, known);
  // Before the token is presented: a host that dies in between presents itself as the same one.
  directory.writeLink(prepared);
  await using transport = new PushTransport(prepared.endpoint);
  try {
    const reply = await register(transport, token, prepared, options, signal);
    const { linkId, heartbeatSeconds } = reply;
    const established = { ...prepared, linkId, heartbeatSeconds };
    directory.writeLink(established);
    return established;
  } catch (error) {
    if (error instanceof LinkRefusedError) directory.writeLink({ ...prepared, refused: true });
    throw error;
  }
}

function isEstablished(state: LinkState): state is Established {
  return state.linkId !== null && !state.refused;
}

function prepare(token: string, known: LinkState | null): LinkState {
  let content: LinkTokenContent;
  try {
    content = decodeLinkToken(token);
  } catch (error) {
    throw new ConfigurationError([(error as Error).message]);
  }
  const tokenHash = createHash('sha256').update(token).digest('hex');
  if (known?.tokenHash === tokenHash) {
    if (!known.refused) return known;
    throw new LinkRefusedError(
      `this link-token belongs to a link with ${known.endpoint} that was removed, or it was refused: ask for a new one`,
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
    refused: false,
  };
}

/** @throws {ConfigurationError} for plain http to another machine: documents and secrets pass here */
function assertSecure(endpoint: string): void {
  const { protocol, hostname } = new URL(endpoint);
  if (protocol === 'https:') return;
  const loopback =
    hostname === 'localhost' ||
    hostname === '[::1]' ||
    (isIPv4(hostname) && hostname.startsWith('127.'));
  if (loopback) return;
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
      await backoff.pause(signal, error.retryAfterMs);
    }
  }
}
