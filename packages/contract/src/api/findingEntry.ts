import type { Finding } from '../push/validation.ts';

/** What a code of a finding stands for; each finding adds to `text` what it was found on. */
export interface FindingEntry {
  /**
   * error: a live migration cannot be made, or cannot succeed. warning: it can, and something will be
   * different or may go wrong. information: good to know.
   */
  readonly severity: Finding['severity'];
  readonly side: 'source' | 'destination';
  /** What its message begins with. Atlas's own words where it has some. */
  readonly text: string;
  /** What to do about it. */
  readonly action: string;
}

/** Makes the entries of one side. */
export function entriesOf(
  side: FindingEntry['side'],
): (severity: Finding['severity'], text: string, action: string) => FindingEntry {
  return (severity, text, action) => ({ severity, side, text, action });
}
