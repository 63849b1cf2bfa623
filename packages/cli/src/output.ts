import process from 'node:process';

/** Prints what was answered: as JSON, or in the words of the command. */
export function print(
  output: 'json' | undefined,
  value: unknown,
  inWords: () => string | readonly string[],
): void {
  const text = output === 'json' ? JSON.stringify(value, null, 2) : inWords();
  process.stdout.write(`${typeof text === 'string' ? text : text.join('\n')}\n`);
}

/** Columns as wide as their longest value, two spaces apart; the titles come first. */
export function table(
  titles: readonly string[],
  rows: readonly (readonly (string | number | boolean | null)[])[],
): string {
  const lines = [titles, ...rows.map((row) => row.map((cell) => String(cell ?? '-')))];
  const widths = titles.map((_, column) =>
    Math.max(...lines.map((line) => (line[column] ?? '').length)),
  );
  return lines
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
