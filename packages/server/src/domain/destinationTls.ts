import { X509Certificate } from 'node:crypto';
import { ConnectionString } from 'mongodb-connection-string-url';
import { DestinationUriError } from './destinationUri.ts';

/** No option of MongoDB's, and none that a caller may give: see {@link withTlsCa}. */
const OPTION = 'linkspanTlsCA';

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\w+/=\s]+-----END CERTIFICATE-----/g;

/**
 * Puts the authorities that a cluster's certificate is signed by into its connection string, so that
 * both are kept, sealed and handed on as one. No file is named by it (rule C13).
 * @param pem certificates; null: those of the system
 * @throws {DestinationUriError} for a text that is not certificates alone
 */
export function withTlsCa(uri: string, pem: string | null): string {
  if (pem === null) return uri;
  const certificates = pem.match(CERTIFICATE) ?? [];
  if (certificates.length === 0 || pem.replaceAll(CERTIFICATE, '').trim() !== '') {
    throw new DestinationUriError('must be certificates in PEM, and nothing else');
  }
  try {
    for (const certificate of certificates) new X509Certificate(certificate);
  } catch {
    throw new DestinationUriError('has a certificate that cannot be read');
  }
  const parsed = new ConnectionString(uri);
  parsed.searchParams.set(OPTION, Buffer.from(certificates.join('\n')).toString('base64url'));
  return parsed.href;
}

/** The other way round. */
export function splitTlsCa(uri: string): { readonly uri: string; readonly ca: string | null } {
  if (!uri.includes(OPTION)) return { uri, ca: null };
  const parsed = new ConnectionString(uri);
  const encoded = parsed.searchParams.get(OPTION);
  parsed.searchParams.delete(OPTION);
  const ca = encoded === null ? null : Buffer.from(encoded, 'base64url').toString();
  return { uri: parsed.href, ca };
}
