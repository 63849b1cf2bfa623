/** Takes the credentials out of every connection string, and every link-token, out of a text. */
export function redact(text: string): string {
  return text
    .replaceAll(/(mongodb(?:\+srv)?:\/\/)[^\s"']*@/g, '$1***@')
    .replaceAll(/lslt_[\w-]+/g, 'lslt_***');
}
