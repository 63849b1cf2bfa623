import { mayShowPassword } from '@linkspan/contract/options/mongodbUri.ts';
import { ConnectionString } from 'mongodb-connection-string-url';

/**
 * The hosts that a connection string names, with their ports.
 * @returns null where it cannot be read, or what is read as hosts may be a part of the password
 */
export function hostsIn(uri: string): readonly string[] | null {
  try {
    const { hosts } = new ConnectionString(uri);
    return mayShowPassword(uri, hosts) ? null : hosts;
  } catch {
    return null;
  }
}
