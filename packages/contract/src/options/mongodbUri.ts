/** What people are told who gave a connection string that is refused: it quotes nothing of theirs. */
export const HOW_TO_ESCAPE =
  'in its user name and password each of : / ? # [ ] @ % is escaped, and an @ also elsewhere, as in %40 for @';

/** `host`, `host:port`, or the same of an IPv6 address in brackets. */
const HOST = /^(\[[^[\]]+\]|[^:[\]]+)(:\d{1,5})?$/;

/**
 * Whether a part of the password may stand where parsers see a host, a database or an option, which are
 * logged and shown: `mongodb://user:p@ss/word@host/` names the host `ss` to them.
 * @param hosts what a parser took for them
 */
export function mayShowPassword(uri: string, hosts: readonly string[]): boolean {
  return uri.indexOf('@') !== uri.lastIndexOf('@') || !hosts.every((host) => HOST.test(host));
}
