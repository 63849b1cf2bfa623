import type { LiveMigrationValidationDetail } from '@linkspan/contract/api/liveMigrations.ts';

import { table } from './output.ts';
import { count, size } from './progressView.ts';

/** A validation as people read it: the columns that they know, each finding, what it would take. */
export function validationLines(validation: LiveMigrationValidationDetail): string[] {
  const { findings, errorMessage } = validation;
  const listed = findings.map(({ severity, code, message, action }) => [
    severity.toUpperCase(),
    code,
    action === '' ? message : `${message} ${action}`,
  ]);
  return [
    validationTable(validation),
    ...(listed.length === 0 ? [] : [table(['SEVERITY', 'CODE', 'FINDING AND WHAT TO DO'], listed)]),
    ...(findings.length === 0 && errorMessage !== null ? [errorMessage] : []),
    ...estimateLines(validation),
  ];
}

/** The columns that people know. */
export function validationTable(
  validation: Pick<LiveMigrationValidationDetail, '_id' | 'groupId' | 'sourceGroupId' | 'status'>,
): string {
  const { _id, groupId, sourceGroupId, status } = validation;
  return table(
    ['ID', 'PROJECT ID', 'SOURCE PROJECT ID', 'STATUS'],
    [[_id, groupId, sourceGroupId, status]],
  );
}

function estimateLines({ estimate }: LiveMigrationValidationDetail): string[] {
  if (estimate === null) return [];
  const { copySeconds, readBytesPerSecond: read, linkBytesPerSecond: link } = estimate;
  const free = estimate.destinationBytesFree;
  const paces = [
    ...(read === null ? [] : [`reads at ${size(read)}/s`]),
    ...(link === null ? [] : [`the link at ${size(link)}/s`]),
  ];
  return [
    `To move: ${count(estimate.documents)} documents in ${count(estimate.collections)} collections, ${size(estimate.dataBytes)}`,
    `Space needed at the destination: about ${size(estimate.destinationBytesNeeded)}${free === null ? '' : `, ${size(free)} free`}`,
    copySeconds === null
      ? 'Time of the copy: there was too little to read to tell'
      : `Time of the copy: about ${duration(copySeconds)} (confidence ${estimate.confidence}: ${paces.join(', ')}; writing at the destination was not tried)`,
  ];
}

function duration(seconds: number): string {
  if (seconds < 120) return `${seconds} seconds`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} minutes`;
  return `${Math.round(seconds / 3600)} hours`;
}
