import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';

/** PEM files of one side of a TLS connection. Of the certificate and its key there are both or none. */
export interface TlsFiles {
  /** Certificates of the authorities that the other side's certificate is signed by; null: the system's. */
  readonly caFile: string | null;
  /** This side's own, with the intermediate ones below it. */
  readonly certFile: string | null;
  readonly keyFile: string | null;
}

/** What the files hold, as Node's TLS takes it. A secret. */
export interface TlsMaterial {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** A file cannot be used for TLS. The message names the file and the reason, and quotes none of it. */
export class TlsFileError extends Error {
  override readonly name = 'TlsFileError';
}

/** The system's authorities, and no certificate of its own. */
export const NO_TLS_FILES: TlsFiles = { caFile: null, certFile: null, keyFile: null };

/**
 * Reads the files and checks that they can be used together.
 * @throws {TlsFileError}
 */
export function readTlsFiles({ caFile, certFile, keyFile }: TlsFiles): TlsMaterial {
  const ca = caFile === null ? null : readCertificates(caFile);
  const cert = certFile === null ? null : readCertificates(certFile);
  const key = keyFile === null ? null : read(keyFile);
  if (cert !== null && key !== null) checkPair(cert, key, `${certFile}`, `${keyFile}`);
  const material = {
    ...(ca === null ? {} : { ca }),
    ...(cert === null ? {} : { cert }),
    ...(key === null ? {} : { key }),
  };
  try {
    createSecureContext(material);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new TlsFileError(`${certFile ?? caFile} cannot be used for TLS (${code})`);
  }
  return material;
}

function readCertificates(path: string): string {
  const text = read(path);
  try {
    // The first one only; the others are read when they are used.
    new X509Certificate(text);
  } catch {
    throw new TlsFileError(`${path} does not begin with a certificate in PEM`);
  }
  return text;
}

function checkPair(cert: string, key: string, certFile: string, keyFile: string): void {
  let isPair: boolean;
  try {
    isPair = new X509Certificate(cert).checkPrivateKey(createPrivateKey(key));
  } catch {
    throw new TlsFileError(`${keyFile} does not hold a private key in PEM without a passphrase`);
  }
  if (!isPair) {
    throw new TlsFileError(`the key in ${keyFile} is not that of the certificate in ${certFile}`);
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new TlsFileError(`${path} cannot be read (${code})`);
  }
}
