import type { LiveMigrationDetail } from '@linkspan/contract/api/liveMigrations.ts';

import { count, progressLine, size } from './progressView.ts';

/** Collections listed; the others are only counted. */
const LISTED_AT_MOST = 10;

/** What is known of a live migration, one thing a line. */
export function detailLines(migration: LiveMigrationDetail): string[] {
  const { state, paused, cutover, failureReason, verified, warnings } = migration;
  const { blockSourceWrites, copiedData, expires, finished } = migration;
  return [
    `State: ${state}${paused === null ? '' : ` since ${paused}`}`,
    ...(failureReason === null ? [] : [`Reason: ${failureReason}`]),
    ...(copiedData === null ? [] : [`Copied data: ${copiedData}`]),
    ...(expires === null || finished !== null ? [] : [`Expires: ${expires}`]),
    ...throttleLines(migration),
    ...namespaceLines(migration),
    ...(blockSourceWrites ? ['The cutover blocks the writes of the source'] : []),
    ...(cutover.failure === null ? [] : [`Last cutover failed: ${cutover.failure}`]),
    ...(verified === null
      ? []
      : [
          `Verified: ${count(verified.documents)} documents in ${verified.collections} collections`,
        ]),
    `Progress: ${progressLine(migration)}`,
    ...collectionLines(migration),
    ...warnings.map((warning) => `Warning: ${warning}`),
  ];
}

function namespaceLines({ namespaces }: LiveMigrationDetail): string[] {
  const { include, exclude, rename } = namespaces;
  return [
    ...(include.length === 0 ? [] : [`Includes: ${include.join(', ')}`]),
    ...(exclude.length === 0 ? [] : [`Excludes: ${exclude.join(', ')}`]),
    ...rename.map(({ from, to }) => `Renames: ${from} to ${to}`),
  ];
}

function throttleLines({ throttle }: LiveMigrationDetail): string[] {
  const { bytesPerSecond, documentsPerSecond } = throttle;
  const limits = [
    ...(bytesPerSecond === null ? [] : [`${size(bytesPerSecond)}/s`]),
    ...(documentsPerSecond === null ? [] : [`${count(documentsPerSecond)} documents/s`]),
  ];
  return limits.length === 0 ? [] : [`Throttle: ${limits.join(', ')}`];
}

function collectionLines({ progress }: LiveMigrationDetail): string[] {
  if (progress === null) return [];
  const { collections, collectionsTotal, collectionsCopied } = progress;
  const unfinished = collections.filter(({ state }) => state !== 'COPIED');
  const lines = unfinished
    .slice(0, LISTED_AT_MOST)
    .map(
      (one) =>
        `  ${one.db}.${one.coll}  ${one.state}  ${count(one.documentsCopied)}/${count(one.documentsTotal)} documents  ${size(one.bytesCopied)}/${size(one.bytesTotal)}`,
    );
  if (collectionsTotal === undefined || collectionsCopied === undefined) return lines;
  return [`Collections: ${collectionsCopied} of ${collectionsTotal} copied`, ...lines];
}
