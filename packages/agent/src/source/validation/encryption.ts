import { finding } from '@linkspan/contract/api/findings.ts';
import { hostsOf } from '../connection.ts';
import type { Check } from './check.ts';

/** That documents and credentials cannot be read on the way from the source. */
export const checkEncryption: Check = async ({ source, uri }) => {
  const hosts = hostsOf(uri).split(',');
  const isLocal = hosts.every((host) => /^(localhost|127\.|\[::1\])/.test(host));
  if (source.client.options.tls || isLocal) return [];
  return [finding('SOURCE_NOT_ENCRYPTED', `${hosts.join(', ')}.`)];
};
