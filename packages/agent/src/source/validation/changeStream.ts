import { finding } from '@linkspan/contract/api/findings.ts';
import { openChangeStream } from '../changeStream.ts';
import { type Check, isUnauthorized, messageOf } from './check.ts';

/** D1: a change stream over the whole deployment can be opened by this user. */
export const checkChangeStream: Check = async ({ source }) => {
  try {
    const stream = await openChangeStream(source, { at: 'now' });
    await stream[Symbol.asyncDispose]();
    return [];
  } catch (error) {
    const code = isUnauthorized(error) ? 'SOURCE_NOT_AUTHORIZED' : 'CHANGE_STREAM_UNAVAILABLE';
    return [
      finding(
        code,
        `opening a change stream over the whole deployment failed with "${messageOf(error)}".`,
      ),
    ];
  }
};
