import type { Progress } from '@linkspan/contract/push/progress.ts';

/** A report of a migration that has caught up. */
export const READY: Progress = {
  phase: 'TAILING',
  lagSeconds: 0,
  readyForCutover: true,
  documentsCopied: 1,
  documentsTotal: 1,
  bytesCopied: 1,
  bytesTotal: 1,
  keysPending: 0,
  documentsFlushed: 0,
  waitingFor: null,
  warnings: [],
  collections: [],
};
