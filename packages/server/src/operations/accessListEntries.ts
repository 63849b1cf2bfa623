import { apiError, attributeError } from '@linkspan/contract/serving/apiError.ts';
import { normaliseCidr } from '../domain/addresses.ts';

/** The most entries of one credential's list: each request is compared with all of them. */
export const MAX_ENTRIES = 200;

/** @throws {ApiError} MAX_ACCESS_LIST_ENTRIES_REACHED */
export function checkRoom(owner: string, entries: number): void {
  if (entries <= MAX_ENTRIES) return;
  throw apiError('MAX_ACCESS_LIST_ENTRIES_REACHED', owner, `${MAX_ENTRIES}`);
}

/** An entry of an access list as requests have it: an address or a block. */
export interface RequestedEntry {
  readonly cidrBlock?: string | null;
  readonly ipAddress?: string | null;
}

/**
 * The blocks that a request names, normalised. Empty texts count as absent.
 * @throws {ApiError} BAD_WHITELIST_ADD_REQUEST for an entry with both an address and a block
 * @throws {ApiError} INVALID_IP_ADDRESS_OR_CIDR_NOTATION naming the entry
 * @throws {ApiError} DUPLICATE_ADDRESSES_IN_INPUT if two of them are the same
 */
export function requestedCidrs(body: readonly RequestedEntry[]): string[] {
  const cidrs = body.map((entry, index) => {
    const cidrBlock = entry.cidrBlock || null;
    const ipAddress = entry.ipAddress || null;
    if (cidrBlock !== null && ipAddress !== null) {
      throw attributeError('BAD_WHITELIST_ADD_REQUEST', `${index}`, 'has both', []);
    }
    return checkedCidr(cidrBlock ?? ipAddress ?? '', `${index}`);
  });
  if (new Set(cidrs).size < cidrs.length) throw apiError('DUPLICATE_ADDRESSES_IN_INPUT');
  return cidrs;
}

/**
 * An address or CIDR block of a request, normalised.
 * @throws {ApiError} INVALID_IP_ADDRESS_OR_CIDR_NOTATION naming the attribute
 */
export function checkedCidr(text: string, field: string): string {
  const cidr = normaliseCidr(text);
  if (cidr === null) {
    throw attributeError(
      'INVALID_IP_ADDRESS_OR_CIDR_NOTATION',
      field,
      'must be an IP address or a CIDR block',
      [text],
    );
  }
  return cidr;
}
