import { type Logger, pino } from 'pino';

/** Takes the credentials out of every connection string and every link-token out of a text. */
export function redact(text: string): string {
  return text
    .replaceAll(/(mongodb(?:\+srv)?:\/\/)[^@/\s"']*@/g, '$1***@')
    .replaceAll(/lslt_[\w-]+/g, 'lslt_***');
}

/** A logger that writes JSON lines to standard output and no credentials into them. */
export function makeLogger(level: string): Logger {
  return pino({ name: 'linkspan-server', level, hooks: { streamWrite: redact } });
}
