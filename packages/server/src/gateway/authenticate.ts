import { createHash, timingSafeEqual } from 'node:crypto';

import { addressList, plainAddress } from '../domain/addresses.ts';
import { isId } from '../domain/ids.ts';
import * as links from '../store/links.ts';
import * as migrationHosts from '../store/migrationHosts.ts';
import type { LinkRow, MigrationHostRow } from '../store/schema.ts';
import type { Store } from '../store/store.ts';
import { PushError } from './errors.ts';

/** What a host is told that the source side has unlinked. */
export const UNLINKED =
  'This migration host was unlinked from the source side. Remove the link-token at the destination, create a new one, and link the host with that.';

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
 * @throws {PushError} LINK_REFUSED
 */
export async function authenticateHost(
  store: Store,
  { authorization, remoteAddress }: Credentials,
): Promise<HostPrincipal> {
  const refused = new PushError(
    'LINK_REFUSED',
    'The migration host is not known, or its link was removed. Link it with a new link-token.',
  );
  const [hostId = '', secret = ''] = bearer(authorization).split('.');
  const host = isId(hostId) ? await migrationHosts.find(store.db, hostId) : undefined;
  if (!matches(secret, host?.secret_hash) || host === undefined) throw refused;
  if (host.unlinked_at !== null) throw new PushError('LINK_REFUSED', UNLINKED);
  const link = await links.find(store.db, host.link_id);
  if (link?.state !== 'LINKED') throw refused;
  checkAddress(link, remoteAddress, 'LINK_REFUSED');
  return { host, link, remoteAddress: plainAddress(remoteAddress) };
}

/** The link that a link-token belongs to, whether it is used up or not. */
export interface TokenPrincipal {
  readonly link: LinkRow;
  readonly remoteAddress: string;
}

/** @throws {PushError} LINK_TOKEN_REFUSED */
export async function authenticateToken(
  store: Store,
  { authorization, remoteAddress }: Credentials,
): Promise<TokenPrincipal> {
  const token = bearer(authorization);
  const link = await links.findByTokenHash(store.db, hashOf(token));
  if (token === '' || link === undefined || link.state === 'REMOVING') {
    throw new PushError(
      'LINK_TOKEN_REFUSED',
      'The link-token is not known, or was removed. Create a new one and try again with it.',
    );
  }
  checkAddress(link, remoteAddress, 'LINK_TOKEN_REFUSED');
  return { link, remoteAddress: plainAddress(remoteAddress) };
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

function checkAddress(
  link: LinkRow,
  remoteAddress: string,
  code: 'LINK_REFUSED' | 'LINK_TOKEN_REFUSED',
): void {
  const cidrs = JSON.parse(link.access_list) as string[];
  if (cidrs.length === 0 || addressList(cidrs).contains(remoteAddress)) return;
  throw new PushError(
    code,
    `The address ${plainAddress(remoteAddress)} is not on the access list of the link-token. Create a link-token whose accessListIps hold it.`,
  );
}
