/** What the demo says: numbered steps, the commands as a user types them, and a summary. */
let step = 0;

export function heading(text: string): void {
  step += 1;
  console.log(`\n${String(step).padStart(2)}. ${text}`);
}

export function line(text: string): void {
  console.log(`    ${text}`);
}

export function command(args: readonly string[]): void {
  const shown = args.map((arg) => (/^[\w./:=-]+$/.test(arg) ? arg : `'${arg}'`));
  line(`$ linkspan ${shown.join(' ')}`);
}

export function indented(text: string): void {
  for (const one of text.trimEnd().split('\n')) line(`  ${one}`);
}

export function count(number: number): string {
  return number.toLocaleString('en-US');
}

export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
