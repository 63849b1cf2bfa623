import type { LiveMigrationDetail } from '@linkspan/contract/api/liveMigrations.ts';
import type { Progress } from '@linkspan/contract/push/progress.ts';

const BAR_WIDTH = 24;

const HELD_BACK = {
  SOURCE: 'held back by the source',
  NETWORK: 'held back by the network',
  DESTINATION: 'held back by the destination',
  THROTTLE: 'held back by its throttle',
} as const;

/** Longer than a host is silent when all is well. */
const SILENT_SECONDS = 30;

/** One line about a live migration, from what its host last reported. */
export function progressLine(migration: LiveMigrationDetail): string {
  const { progress, state } = migration;
  if (progress === null) return `${state}  waiting for the migration host`;
  // The server lets the lag grow while the host reports nothing; all else is as it last said.
  const { lagTimeSeconds } = migration;
  const { rates = null, etaSeconds = null, holdingBack = null } = progress;
  const silence = (lagTimeSeconds ?? 0) - (progress.lagSeconds ?? 0);
  const waitingFor =
    silence >= SILENT_SECONDS
      ? `the migration host, not heard of for ${silence} s`
      : progress.waitingFor;
  // What there is to do comes first: a narrow terminal cuts the end.
  const parts = [
    state,
    progress.phase,
    ...(migration.readyForCutover ? ['ready for cutover'] : []),
    ...(waitingFor === null ? [] : [`waiting: ${waitingFor}`]),
    `${count(progress.documentsCopied)}/${count(progress.documentsTotal)} documents`,
    `${size(progress.bytesCopied)}/${size(progress.bytesTotal)}`,
    `lag ${lagTimeSeconds === null ? '-' : `${lagTimeSeconds} s`}`,
    `${count(progress.keysPending)} pending`,
    ...(rates === null ? [] : [`${size(rates.bytesPerSecond)}/s`]),
    ...(etaSeconds === null || etaSeconds === 0 ? [] : [`${duration(etaSeconds)} left`]),
    ...(holdingBack === null || holdingBack === 'WAITING' ? [] : [HELD_BACK[holdingBack]]),
    ...comparedParts(progress),
  ];
  return parts.join('  ');
}

/** What was compared with the destination meanwhile; nothing before that has begun. */
function comparedParts({ verification }: Progress): string[] {
  if (verification === undefined || verification.begun === null) return [];
  const { collectionsVerified, collectionsTotal, documentsVerified } = verification;
  const { differencesFound, differencesRepaired } = verification;
  return [
    `verified ${count(collectionsVerified)}/${count(collectionsTotal)} collections`,
    `${count(documentsVerified)} documents compared`,
    ...(differencesFound === 0
      ? []
      : [`${count(differencesFound)} differences, ${count(differencesRepaired)} repaired`]),
  ];
}

/** The same with a bar before it, cut to the width of the terminal, or to 80 columns if it has none. */
export function progressBar(migration: LiveMigrationDetail, columns: number | undefined): string {
  const { progress } = migration;
  const share = progress === null ? 0 : shareCopied(progress);
  const full = Math.round(share * BAR_WIDTH);
  const bar = '█'.repeat(full) + '░'.repeat(BAR_WIDTH - full);
  const percent = `${Math.floor(share * 100)}%`.padStart(4);
  return `${bar} ${percent}  ${progressLine(migration)}`.slice(0, (columns || 80) - 1);
}

/** The totals are the source's own estimates: once all is copied they say nothing any more. */
function shareCopied({ phase, bytesCopied, bytesTotal }: Progress): number {
  if (phase !== 'STARTING' && phase !== 'COPYING') return 1;
  return bytesTotal === 0 ? 0 : Math.min(1, bytesCopied / bytesTotal);
}

/** In the two largest units: `2 h 5 min`. */
function duration(seconds: number): string {
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.ceil(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** With separators of thousands. */
export function count(value: number): string {
  return value.toLocaleString('en');
}

/** Bytes in binary units, to one place. */
export function size(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  const power = bytes < 1 ? 0 : Math.min(Math.floor(Math.log2(bytes) / 10), units.length - 1);
  return `${(bytes / 1024 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`;
}
