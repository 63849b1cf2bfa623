import { MongoServerError } from 'mongodb';
import { connectSource } from './connection.ts';

/** The source will not block writes, however often it is asked; the message says why and what to do. */
export class WriteBlockRefusedError extends Error {
  override readonly name = 'WriteBlockRefusedError';
}

/** `setUserWriteBlockMode` is there since MongoDB 6.0. Source: MongoDB manual. */
const COMMAND_NOT_FOUND = 59;

/** What is refused for good: no such command, no privilege, not on this kind of server, other terms. */
const REFUSALS: ReadonlySet<unknown> = new Set([COMMAND_NOT_FOUND, 13, 20, 72, 115]);

const YOURSELF = "stop the application's writes yourself and cut over without blockSourceWrites";

/**
 * Blocks the writes of ordinary users at the source: of all databases, until {@link liftWriteBlock}.
 * Builds of indexes are aborted; users with `bypassWriteBlockingMode` go on writing. Harmless where it
 * is blocked already.
 * @param uri with credentials that have the privilege `setUserWriteBlockMode`
 * @throws {WriteBlockRefusedError} {@link SourceUnreachableError} or the driver's errors
 */
export async function setWriteBlock(uri: string): Promise<void> {
  try {
    await command(uri, true);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    throw new WriteBlockRefusedError(
      error.code === COMMAND_NOT_FOUND
        ? `the source cannot block writes, which takes MongoDB 6.0 or newer (${error.message}): ${YOURSELF}`
        : `the source refuses to block writes (${error.message}): give its user the privilege setUserWriteBlockMode, or ${YOURSELF}`,
    );
  }
}

/**
 * Lets everyone write again. Harmless where nothing is blocked; a server that does not know the command
 * has nothing to lift.
 * @throws {WriteBlockRefusedError} {@link SourceUnreachableError} or the driver's errors
 */
export async function liftWriteBlock(uri: string): Promise<void> {
  try {
    await command(uri, false);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    if (error.code === COMMAND_NOT_FOUND) return;
    throw new WriteBlockRefusedError(
      `the source refuses to lift the write block (${error.message}): run {setUserWriteBlockMode: 1, global: false} there as a user who may`,
    );
  }
}

/** True where writes are blocked now, by whomever; null where the source does not say. */
export async function isWriteBlocked(uri: string): Promise<boolean | null> {
  await using source = await connectSource(uri);
  try {
    const status = await source.client.db('admin').command({ serverStatus: 1 });
    const mode: unknown = status['repl']?.['userWriteBlockMode'];
    return mode === undefined ? null : Number(mode) === 2;
  } catch (error) {
    if (isRefusal(error)) return null;
    throw error;
  }
}

async function command(uri: string, global: boolean): Promise<void> {
  await using source = await connectSource(uri);
  await source.client.db('admin').command({ setUserWriteBlockMode: 1, global });
}

function isRefusal(error: unknown): error is MongoServerError {
  return error instanceof MongoServerError && REFUSALS.has(error.code);
}
