/** Takes the credentials out of every connection string in a text. */
export function redact(text: string): string {
  return text.replaceAll(/(mongodb(?:\+srv)?:\/\/)[^@/\s"']*@/g, '$1***@');
}
