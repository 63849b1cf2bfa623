import type { MongoDB } from './mongodb.ts';

/** What a server does instead of, or with, the commands that it is told to fail. */
export interface FailCommand {
  readonly failCommands: readonly string[];
  /** Answers with that code and does nothing. */
  readonly errorCode?: number;
  /** Does what was asked, and says so of the write concern. */
  readonly writeConcernError?: { readonly code: number; readonly errmsg: string };
  /** Closes the connection and does nothing. */
  readonly closeConnection?: boolean;
  /** Holds it back for `blockTimeMS`, and does it then. */
  readonly blockConnection?: boolean;
  readonly blockTimeMS?: number;
  /** Only those of clients with that `appName`. */
  readonly appName?: string;
}

/** Codes of a primary that steps down, of one that is shut down, and of one that is neither. */
export const NOT_WRITABLE_PRIMARY = 10_107;
export const INTERRUPTED_AT_SHUTDOWN = 11_600;
export const UNAUTHORIZED = 13;

/**
 * Lets commands fail, `times` of them or all until {@link healCommands}; there is one such rule at a
 * time. Only for servers with the capability `failCommand`.
 */
export async function failCommands(
  mongodb: MongoDB,
  data: FailCommand,
  times?: number,
): Promise<void> {
  const mode = times === undefined ? 'alwaysOn' : { times };
  await mongodb.client().db('admin').command({ configureFailPoint: 'failCommand', mode, data });
}

export async function healCommands(mongodb: MongoDB): Promise<void> {
  const off = { configureFailPoint: 'failCommand', mode: 'off' };
  await mongodb.client().db('admin').command(off);
}

/** The primary steps down; a set of one node has none for so many seconds. */
export async function stepDown(mongodb: MongoDB, seconds: number): Promise<void> {
  await mongodb
    .client()
    .db('admin')
    .command({ replSetStepDown: seconds, secondaryCatchUpPeriodSecs: 0, force: true });
}
