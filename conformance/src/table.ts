import { ROLES } from './roles.ts';
import { problemsOf, type Cell, type Row } from './walk.ts';

/** What became of all calls. */
export interface Summary {
  readonly calls: number;
  readonly wrong: number;
  readonly missing: number;
}

export function summaryOf(rows: readonly Row[]): Summary {
  const cells = rows.flatMap((row) => row.cells);
  const missing = cells.filter(({ status }) => status === null).length;
  const failed = cells.filter(({ problems }) => problems.length > 0).length;
  return { calls: cells.length, wrong: failed - missing, missing };
}

/** The table operation × version × role × status, and what is wrong in it. */
export function describeRows(rows: readonly Row[]): string {
  const header = ['Operation', 'Version', ...ROLES];
  const lines = rows.map(({ operationId, version, cells }) => [
    operationId,
    version,
    ...ROLES.map((role) => describeCells(cells.filter((cell) => cell.role === role))),
  ]);
  const widths = header.map((title, column) =>
    Math.max(title.length, ...lines.map((line) => line[column]?.length ?? 0)),
  );
  const row = (line: readonly string[]): string =>
    line
      .map((text, column) => text.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  const rule = row(widths.map((width) => '-'.repeat(width)));
  return [row(header), rule, ...lines.map(row), '', ...problemsOf(rows), LEGEND].join('\n');
}

const LEGEND = `
Every cell is the status by API key (Digest) and by service account (Bearer); one number where both
are the same. "k": by API key only, no operation gives a service account this role.
"!": not as the contract has it. "-": missing, the call could not be made.`;

function describeCells(cells: readonly Cell[]): string {
  const texts = cells.map(({ status, problems }) =>
    status === null ? '-' : `${status}${problems.length > 0 ? '!' : ''}`,
  );
  if (cells.length === 1) return cells[0]?.role === 'None' ? (texts[0] ?? '') : `${texts[0]} k`;
  return [...new Set(texts)].join(' ');
}
