import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Issued {
  /** The certificate, PEM. */
  readonly certFile: string;
  readonly keyFile: string;
}

/** A certificate authority of a test's own, whose files are in the test's directory. */
export interface Authority {
  readonly caFile: string;
  /** For `localhost` and 127.0.0.1, as a server and as a client. */
  issue(name: string): Issued;
}

/** Whether this machine has openssl, which tests with certificates need. */
export const hasOpenssl = ((): boolean => {
  try {
    openssl(['version']);
    return true;
  } catch {
    return false;
  }
})();

const EXTENSIONS = `basicConstraints=CA:FALSE
subjectAltName=DNS:localhost,IP:127.0.0.1
extendedKeyUsage=serverAuth,clientAuth
`;

/**
 * Makes an authority with `openssl`, whose certificates are good for a day.
 * @param directory of the test, for all files
 * @param name of the authority, and of its files
 */
export function makeAuthority(directory: string, name: string): Authority {
  const at = (file: string): string => join(directory, `${name}-${file}`);
  const [caFile, caKey, extensions] = [at('ca.pem'), at('ca.key'), at('extensions')];
  writeFileSync(extensions, EXTENSIONS);
  const fresh = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const subject = (who: string): string[] => ['-subj', `/O=Linkspan test/CN=${who}`];
  const self = ['req', '-x509', ...fresh, '-days', '1', ...subject(name)];
  openssl([...self, '-keyout', caKey, '-out', caFile]);
  return {
    caFile,
    issue(who) {
      const [certFile, keyFile, request] = [at(`${who}.pem`), at(`${who}.key`), at(`${who}.csr`)];
      openssl(['req', ...fresh, ...subject(who), '-keyout', keyFile, '-out', request]);
      const sign = ['x509', '-req', '-in', request, '-CA', caFile, '-CAkey', caKey];
      const kept = ['-CAcreateserial', '-days', '1', '-extfile', extensions];
      openssl([...sign, ...kept, '-out', certFile]);
      return { certFile, keyFile };
    },
  };
}

function openssl(args: readonly string[]): void {
  execFileSync('openssl', args, { stdio: 'pipe' });
}
