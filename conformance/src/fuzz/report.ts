import type { FuzzSummary } from './run.ts';

/** What a person reads after a run. */
export function describeSummary(summary: FuzzSummary): string {
  const { seed, requests, operations, statuses, neverSucceeded, findings } = summary;
  const counts = [...statuses]
    .toSorted(([a], [b]) => String(a).localeCompare(String(b)))
    .map(([status, count]) => `${status}: ${count}`);
  return [
    ...findings.map(
      (finding, index) =>
        `Finding ${index + 1}: ${finding.where}: ${finding.problem}\n  seed ${finding.seed}\n  request ${JSON.stringify(finding.request)}\n  answer ${finding.answer.replaceAll('\n', '\n    ')}\n`,
    ),
    `seed ${seed}: ${requests} requests at ${operations} operations`,
    `statuses ${counts.join(', ')}`,
    ...[...neverSucceeded].map(([id, codes]) => {
      const told = [...codes].map(([code, count]) => `${code} ${count}`);
      return `without a success: ${id} (${told.join(', ')})`;
    }),
    `findings: ${findings.length}`,
  ].join('\n');
}
