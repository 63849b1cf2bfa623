import type { Finding } from '../push/validation.ts';
import type { FindingEntry } from './findingEntry.ts';
import { DESTINATION_FINDINGS } from './findingsOfDestination.ts';
import { SOURCE_FINDINGS } from './findingsOfSource.ts';

/** Every finding of a validation by its code, which never changes. `docs/validation.md` is made of it. */
export const FINDINGS = { ...SOURCE_FINDINGS, ...DESTINATION_FINDINGS };

export type FindingCode = keyof typeof FINDINGS;

const LONGEST = 2000;

/**
 * A finding of that code.
 * @param detail what it was found on, in words, after the text of the code; no secrets
 */
export function finding(code: FindingCode, detail?: string): Finding {
  const { severity, text } = FINDINGS[code];
  const message = detail === undefined ? `${text}.` : `${text}: ${detail}`;
  return { code, severity, message: message.slice(0, LONGEST) };
}

/** What to do about a finding; empty for a code of another version. */
export function actionOf(code: string): string {
  return Object.hasOwn(FINDINGS, code) ? FINDINGS[code as FindingCode].action : '';
}

/** The table of `docs/validation.md`, for one side. */
export function describeFindings(side: FindingEntry['side']): string {
  const rows = Object.entries(FINDINGS)
    .filter(([, found]) => found.side === side)
    .map(
      ([code, { severity, text, action }]) => `| \`${code}\` | ${severity} | ${text} | ${action} |`,
    );
  return [
    '| Code | Severity | What was found | What to do |',
    '| --- | --- | --- | --- |',
    ...rows,
  ].join('\n');
}
