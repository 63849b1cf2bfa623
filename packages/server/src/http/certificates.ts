import { randomBytes } from 'node:crypto';
import type { Server, ServerOptions } from 'node:https';

import {
  readTlsFiles,
  TlsFileError,
  type TlsFiles,
  type TlsMaterial,
} from '@linkspan/contract/tls/files.ts';
import type { Logger } from 'pino';

/** Files are looked at this often, in milliseconds. */
const LOOK_EVERY_MS = 1000;

/** A client that has not finished its handshake by then is cut, in milliseconds. */
const HANDSHAKE_MS = 10_000;

/** Length of what tickets of TLS sessions are sealed under. */
const TICKET_KEY_BYTES = 48;

/**
 * What a server shows, and what it trusts, over TLS 1.2 and later. New files take the place of the old
 * ones without a restart: connections that are open go on, new ones see them.
 */
export class Certificates {
  readonly #files: TlsFiles;
  readonly #log: Logger;
  #material: TlsMaterial;
  /** Why the files last could not be used, so that each reason is told once. */
  #problem: string | null = null;

  /** @throws {TlsFileError} */
  constructor(files: TlsFiles, log: Logger) {
    this.#files = files;
    this.#log = log;
    this.#material = readTlsFiles(files);
  }

  serverOptions(): ServerOptions {
    return {
      ...this.#material,
      minVersion: 'TLSv1.2',
      handshakeTimeout: HANDSHAKE_MS,
      // Whoever has none may still use the API: the gateway looks at what was shown.
      requestCert: this.#files.caFile !== null,
      rejectUnauthorized: false,
    };
  }

  /** Looks at the files until it is disposed of. */
  watch(server: Server): Disposable {
    const timer = setInterval(() => this.#look(server), LOOK_EVERY_MS);
    timer.unref();
    return { [Symbol.dispose]: () => clearInterval(timer) };
  }

  #look(server: Server): void {
    try {
      const material = readTlsFiles(this.#files);
      this.#problem = null;
      if (isSame(material, this.#material)) return;
      server.setSecureContext({ ...material, minVersion: 'TLSv1.2' });
      // A session resumed by an old ticket would be trusted for the authorities of that time.
      server.setTicketKeys(randomBytes(TICKET_KEY_BYTES));
      this.#material = material;
      this.#log.info({ certificate: this.#files.certFile }, 'the certificate was replaced');
    } catch (error) {
      if (!(error instanceof TlsFileError)) throw error;
      if (error.message === this.#problem) return;
      this.#problem = error.message;
      this.#log.error(
        { reason: error.message },
        'the new certificate cannot be used: the old one stays',
      );
    }
  }
}

function isSame(one: TlsMaterial, other: TlsMaterial): boolean {
  return one.ca === other.ca && one.cert === other.cert && one.key === other.key;
}
