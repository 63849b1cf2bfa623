import { createHash, timingSafeEqual } from 'node:crypto';

import { addressList, peerAddress } from '../domain/addresses.ts';
import { isId } from '../domain/ids.ts';
import * as hostTokens from '../store/hostTokens.ts';
import * as links from '../store/links.ts';
import * as migrationHosts from '../store/migrationHosts.ts';
import type { LinkRow, MigrationHostRow } from '../store/schema.ts';
import type { GatewayContext } from './context.ts';
import { LINK_SUSPENDED, PushError } from './errors.ts';

/** What a host is told that the source side has unlinked. */
export const UNLINKED =
  'This migration host was unlinked from the source side. Create a link-token for another host of the link at the destination, and link this one with that.';

/** A migration host whose link is live, and where it calls from. */
export interface HostPrincipal {
  readonly host: MigrationHostRow;
  readonly link: LinkRow;
  readonly remoteAddress: string;
}

/** The request's parts that authentication looks at. */
export interface Credentials {
  readonly authorization: string | undefined;
  readonly remoteAddress: string;
}

/**
 * Who sends a request. Looked up in the store every time: no credential is valid offline (rule C6).
 * @throws {PushError} LINK_REFUSED; LINK_SUSPENDED until an owner has confirmed the link
 */
export async function authenticateHost(
  { store, audit }: GatewayContext,
  { authorization, remoteAddress }: Credentials,
): Promise<HostPrincipal> {
  const refused = new PushError(
    'LINK_REFUSED',
    'The migration host is not known, or its link was removed. Link it with a new link-token.',
  );
  const [hostId = '', secret = ''] = bearer(authorization).split('.');
  const host = isId(hostId) ? await migrationHosts.find(store.db, hostId) : undefined;
  const isRight = matches(secret, host?.secret_hash);
  if (host === undefined) throw refused;
  const link = await links.find(store.db, host.link_id);
  if (link === undefined) throw refused;
  const account = { kind: 'migrationHost', id: host.id, orgId: link.org_id } as const;
  const address = peerAddress(remoteAddress);
  if (!isRight) {
    audit.failed(account, address, 'WRONG_SECRET');
    throw refused;
  }
  if (host.unlinked_at !== null) throw new PushError('LINK_REFUSED', UNLINKED);
  if (link.state !== 'LINKED') throw refused;
  if (!isAllowedFrom(link, address)) {
    audit.failed(account, address, 'ADDRESS_NOT_ON_ACCESS_LIST');
    throw notOnList('LINK_REFUSED', address);
  }
  if (link.suspended_at !== null) throw LINK_SUSPENDED;
  return { host, link, remoteAddress: address };
}

/** The link that a link-token belongs to, whether it is used up or not. */
export interface TokenPrincipal {
  readonly link: LinkRow;
  /** The id of a further host's token; null: it is the one that the link was made with. */
  readonly hostTokenId: string | null;
  readonly remoteAddress: string;
}

/** @throws {PushError} LINK_TOKEN_REFUSED; LINK_SUSPENDED until an owner has confirmed the link */
export async function authenticateToken(
  { store, audit }: GatewayContext,
  { authorization, remoteAddress }: Credentials,
): Promise<TokenPrincipal> {
  const token = bearer(authorization);
  const hash = hashOf(token);
  const further = await hostTokens.findByTokenHash(store.db, hash);
  const link = await (further === undefined
    ? links.findByTokenHash(store.db, hash)
    : links.find(store.db, further.link_id));
  if (token === '' || link === undefined || link.state === 'REMOVING') {
    throw new PushError(
      'LINK_TOKEN_REFUSED',
      'The link-token is not known, or was removed. Create a new one and try again with it.',
    );
  }
  const address = peerAddress(remoteAddress);
  if (!isAllowedFrom(link, address)) {
    const account = { kind: 'linkToken', id: link.id, orgId: link.org_id } as const;
    audit.failed(account, address, 'ADDRESS_NOT_ON_ACCESS_LIST');
    throw notOnList('LINK_TOKEN_REFUSED', address);
  }
  if (link.suspended_at !== null) throw LINK_SUSPENDED;
  return { link, hostTokenId: further?.id ?? null, remoteAddress: address };
}

/** SHA-256, as secrets are kept in the store. */
export function hashOf(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}

/** Compares in constant time; false where there is nothing to compare with. */
export function matches(secret: string, hash: Uint8Array | undefined): boolean {
  const given = hashOf(secret);
  // Takes as long for an unknown host as for a known one.
  return timingSafeEqual(given, hash ?? Buffer.alloc(given.length)) && hash !== undefined;
}

function bearer(authorization: string | undefined): string {
  return /^Bearer +(\S+) *$/i.exec(authorization ?? '')?.[1] ?? '';
}

function isAllowedFrom(link: LinkRow, address: string): boolean {
  const cidrs = JSON.parse(link.access_list) as string[];
  return cidrs.length === 0 || addressList(cidrs).contains(address);
}

function notOnList(code: 'LINK_REFUSED' | 'LINK_TOKEN_REFUSED', address: string): PushError {
  return new PushError(
    code,
    `The address ${address} is not on the access list of the link-token. Create a link-token whose accessListIps hold it.`,
  );
}
