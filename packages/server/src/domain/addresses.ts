import { BlockList, isIP, SocketAddress } from 'node:net';

/** A set of addresses, given as addresses and CIDR blocks. */
export interface AddressList {
  contains(address: string): boolean;
}

/**
 * An address or CIDR block in one spelling, always with its prefix: `192.0.2.7/32`. IPv4 addresses
 * that are wrapped in IPv6 become what they are.
 * @returns null if it is neither, or an address with a zone, which means nothing elsewhere
 */
export function normaliseCidr(text: string): string | null {
  const [address = '', prefix, ...rest] = text.trim().split('/');
  const family = isIP(address);
  if (family === 0 || rest.length > 0 || address.includes('%')) return null;
  const longest = family === 4 ? 32 : 128;
  if (prefix !== undefined && !/^\d{1,3}$/.test(prefix)) return null;
  const length = prefix === undefined ? longest : Number(prefix);
  if (length > longest) return null;
  const plain = plainAddress(address);
  if (isIP(plain) === family) return `${plain}/${length}`;
  return length < WRAPPING_BITS ? null : `${plain}/${length - WRAPPING_BITS}`;
}

/** Of an IPv4 address in IPv6's dress, the bits before it: `::ffff:0:0/96` (RFC 4291). */
const WRAPPING_BITS = 96;

/** The single address of a normalised block that holds only one, else null. */
export function singleAddress(cidr: string): string | null {
  const [address = '', prefix] = cidr.split('/');
  return prefix === (isIP(address) === 4 ? '32' : '128') ? address : null;
}

/**
 * A list of IPv6 blocks contains no IPv4 address, not even `::/0`.
 * @param cidrs normalised blocks; others are an error of the caller
 */
export function addressList(cidrs: readonly string[]): AddressList {
  const lists = { ipv4: new BlockList(), ipv6: new BlockList() };
  for (const cidr of cidrs) {
    const [address = '', prefix] = cidr.split('/');
    const family = familyOf(address);
    lists[family].addSubnet(address, Number(prefix), family);
  }
  return {
    contains: (address) => {
      const plain = plainAddress(address);
      const family = familyOf(plain);
      return isIP(plain) !== 0 && lists[family].check(plain, family);
    },
  };
}

/** A peer's address in one spelling: an IPv4 address without its IPv6 wrapping, none with a zone. */
export function plainAddress(address: string): string {
  const bare = address.split('%')[0] ?? address;
  if (isIP(bare) === 0) return bare;
  const canonical = new SocketAddress({ address: bare, family: familyOf(bare) }).address;
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(canonical)?.[1] ?? canonical;
}

/** What is told of a peer whose address is not known. */
const UNKNOWN_PEER = 'unknown';

/**
 * A peer's address as a socket or a proxy tells it, plain. Some proxies add its port; whatever else is
 * no address becomes one short word, which no list contains: it may be as long as a header.
 */
export function peerAddress(text: string): string {
  const [, bracketed, dotted] = /^(?:\[([^\]]+)\]|([\d.]+))(?::\d{1,5})?$/.exec(text) ?? [];
  const address = plainAddress(bracketed ?? dotted ?? text);
  return isIP(address) === 0 ? UNKNOWN_PEER : address;
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 4 ? 'ipv4' : 'ipv6';
}

/**
 * Loopback, "this network", link-local and the metadata services of clouds: places on this side
 * that a destination's address must not lead to unless the operator allows it (rule C13). Sources:
 * RFC 6890; the cloud providers' documentation for 169.254.169.254, fd00:ec2::254, 100.100.100.200
 * and 168.63.129.16.
 */
const RESTRICTED = addressList([
  '0.0.0.0/8',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '100.100.100.200/32',
  '168.63.129.16/32',
  '::/128',
  '::1/128',
  'fe80::/10',
  'fd00:ec2::254/128',
]);

/** True if a destination may have this address. */
export function mayConnectTo(address: string, allowedNetworks: AddressList): boolean {
  return !RESTRICTED.contains(address) || allowedNetworks.contains(address);
}

/** An address as Atlas writes it: IPv6 in all of its eight groups (specified by a pattern). */
export function longAddress(address: string): string {
  const plain = plainAddress(address);
  if (isIP(plain) !== 6) return plain;
  const [head = '', tail] = plain.split('::');
  const groups = (text: string | undefined): string[] =>
    (text ?? '').split(':').filter((group) => group !== '');
  const before = groups(head);
  const after = groups(tail);
  const zeros = Array<string>(8 - before.length - after.length).fill('0');
  return [...before, ...zeros, ...after].join(':');
}

/**
 * A block as Atlas writes it: the pattern that is specified leaves groups of zeros out at the start
 * and at the end, not in the middle.
 */
export function shownCidr(cidr: string): string {
  const [address = '', prefix] = cidr.split('/');
  return /[^:]::[^:]/.test(address) ? `${longAddress(address)}/${prefix}` : cidr;
}

/** What one caller has of addresses: an IPv4 address, the /64 of an IPv6 one. */
export function networkOf(address: string): string {
  const long = longAddress(address);
  return isIP(long) === 6 ? long.split(':').slice(0, 4).join(':') : long;
}
