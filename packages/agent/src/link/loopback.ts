import { isIPv4 } from 'node:net';

/** Whether a host of a URL, or an address, is this machine itself. */
export function isLoopback(host: string): boolean {
  return (
    host === 'localhost' ||
    host === '[::1]' ||
    host === '::1' ||
    (isIPv4(host) && host.startsWith('127.'))
  );
}
