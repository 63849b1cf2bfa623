import type { Issued } from './certificates.ts';

export function mongodArguments(
  port: number,
  data: string,
  testCommands: boolean,
  keyFile: string | null,
): string[] {
  const args = ['--replSet', 'linkspan', '--port', String(port), '--dbpath', data];
  args.push('--bind_ip', '127.0.0.1');
  if (testCommands) args.push('--setParameter', 'enableTestCommands=1');
  if (keyFile !== null) args.push('--auth', '--keyFile', keyFile);
  return args;
}

export function secantusArguments(
  port: number,
  data: string,
  testCommands: boolean,
  auth: boolean,
  oplogEntries: number,
): string[] {
  const args = ['-m', 'secantus', '--host', '127.0.0.1', '--port', String(port)];
  args.push('--storage-path', data, '--log-level', 'WARNING');
  // An idle change stream moves on only with heartbeats; the oplog keeps 100,000 entries otherwise.
  args.push('--noop-heartbeat-seconds', '1', '--oplog-max-entries', String(oplogEntries));
  if (testCommands) args.push('--enable-test-commands');
  if (auth) args.push('--auth');
  return args;
}

/** @param pairFile of a `mongod`, which wants certificate and key in one file; null: SecantusDB */
export function tlsArguments(tls: Issued & { readonly caFile: string }, pairFile: string | null) {
  if (pairFile === null) {
    return ['--tls-cert-file', tls.certFile, '--tls-key-file', tls.keyFile];
  }
  const own = ['--tlsMode', 'requireTLS', '--tlsCertificateKeyFile', pairFile];
  return [...own, '--tlsCAFile', tls.caFile, '--tlsAllowConnectionsWithoutCertificates'];
}
