import type { Verification } from '@linkspan/contract/push/verification.ts';

import { table } from './output.ts';
import { count } from './progressView.ts';

/** The report of a verification, for people. */
export function verificationLines(report: Verification): string[] {
  const summary = verificationSummary(report);
  if (report.begun === null) return summary;
  return [...summary, '', collectionsTable(report)];
}

function collectionsTable({ collections }: Verification): string {
  const rows = collections.map((one) => [
    `${one.db}.${one.coll}`,
    one.verified ? 'yes' : 'no',
    count(one.documentsVerified),
    count(one.differencesFound),
    count(one.differencesRepaired),
  ]);
  return table(['COLLECTION', 'VERIFIED', 'DOCUMENTS', 'FOUND', 'REPAIRED'], rows);
}

/** The same without its collections. */
export function verificationSummary(report: Verification): string[] {
  const { begun, ended, complete, historyLosses } = report;
  if (begun === null) return ['Verification: not begun'];
  return [
    `Verification: ${complete ? `complete since ${ended ?? begun}` : `begun ${begun}`}`,
    `Collections: ${report.collectionsVerified} of ${report.collectionsTotal} verified`,
    `Documents: ${count(report.documentsVerified)} of ${count(report.documentsTotal)}`,
    `Changes: ${count(report.keysVerified)} compared again by key, ${count(report.keysPending)} to come`,
    `Differences: ${count(report.differencesFound)} found, ${count(report.differencesRepaired)} repaired`,
    ...(historyLosses === 0 ? [] : [`History lost: ${historyLosses} times`]),
  ];
}
