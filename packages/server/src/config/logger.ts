import { type DestinationStream, type Logger, pino } from 'pino';

/**
 * Takes out of a text: the credentials of every connection string, every link-token, every secret of
 * a service account and every access token.
 */
export function redact(text: string): string {
  return text
    .replaceAll(/(mongodb(?:\+srv)?:\/\/)[^\s"']*@/g, '$1***@')
    .replaceAll(/(postgres(?:ql)?:\/\/)[^\s"']*@/g, '$1***@')
    .replaceAll(/([?&](?:ssl)?password=)[^&\s"']*/g, '$1***')
    .replaceAll(/lslt_[\w-]+/g, 'lslt_***')
    .replaceAll(/mdb_sa_sk_[\w-]+/g, 'mdb_sa_sk_***')
    .replaceAll(/eyJ[\w-]+\.[\w-]+\.[\w-]+/g, 'eyJ***');
}

/** A logger that writes JSON lines to standard output, or `destination`, and no credentials into them. */
export function makeLogger(level: string, destination?: DestinationStream): Logger {
  const options = { name: 'linkspan-server', level, hooks: { streamWrite: redact } };
  return destination === undefined ? pino(options) : pino(options, destination);
}
