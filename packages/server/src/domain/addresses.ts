import { BlockList, isIP, SocketAddress } from 'node:net';

/** A set of addresses, given as addresses and CIDR blocks. */
export interface AddressList {
  contains(address: string): boolean;
}

/**
 * An address or CIDR block in one spelling, always with its prefix: `192.0.2.7/32`.
 * @returns null if it is neither
 */
export function normaliseCidr(text: string): string | null {
  const [address = '', prefix, ...rest] = text.trim().split('/');
  const family = isIP(address);
  if (family === 0 || rest.length > 0) return null;
  const longest = family === 4 ? 32 : 128;
  if (prefix !== undefined && !/^\d{1,3}$/.test(prefix)) return null;
  const length = prefix === undefined ? longest : Number(prefix);
  if (length > longest) return null;
  return `${canonical(address)}/${length}`;
}

/** The single address of a normalised block that holds only one, else null. */
export function singleAddress(cidr: string): string | null {
  const [address = '', prefix] = cidr.split('/');
  return prefix === (isIP(address) === 4 ? '32' : '128') ? address : null;
}

/** @param cidrs normalised blocks; others are an error of the caller */
export function addressList(cidrs: readonly string[]): AddressList {
  const list = new BlockList();
  for (const cidr of cidrs) {
    const [address = '', prefix] = cidr.split('/');
    list.addSubnet(address, Number(prefix), isIP(address) === 4 ? 'ipv4' : 'ipv6');
  }
  return {
    contains: (address) => {
      const plain = plainAddress(address);
      const family = isIP(plain);
      return family !== 0 && list.check(plain, family === 4 ? 'ipv4' : 'ipv6');
    },
  };
}

/** A peer's address as people write it: an IPv4 address without its IPv6 wrapping or its zone. */
export function plainAddress(address: string): string {
  const unwrapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address;
  return unwrapped.split('%')[0] ?? unwrapped;
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

function canonical(address: string): string {
  return new SocketAddress({ address, family: isIP(address) === 4 ? 'ipv4' : 'ipv6' }).address;
}
