import type { Db, Document } from 'mongodb';
import { finding } from '@linkspan/contract/api/findings.ts';
import { connectSource } from '../connection.ts';
import type { Check } from './check.ts';

const FIRST_VERSION = 6;
/** Both of the command and of the privilege that it takes. */
const PRIVILEGE = 'setUserWriteBlockMode';
const COMMAND_NOT_FOUND = 59;

/** D23: that a cutover which is to block the writes of the source may. Nothing is blocked for that. */
export const checkWriteBlock: Check = async ({ writeBlock, facts }) => {
  if (writeBlock === null) return [];
  if (!writeBlock.isAllowed) return [finding('WRITE_BLOCK_NOT_ALLOWED')];
  if (Number.parseInt(facts.mongoDBVersion, 10) < FIRST_VERSION) {
    return [finding('WRITE_BLOCK_UNAVAILABLE', `it is MongoDB ${facts.mongoDBVersion}.`)];
  }
  await using source = await connectSource(writeBlock.uri);
  const admin = source.client.db('admin');
  if (!(await knowsCommand(admin))) {
    return [finding('WRITE_BLOCK_UNAVAILABLE', `it has no command ${PRIVILEGE}.`)];
  }
  if (!(await mayBlock(admin.command({ connectionStatus: 1, showPrivileges: true })))) {
    return [finding('WRITE_BLOCK_NOT_AUTHORIZED')];
  }
  return [finding('WRITE_BLOCK_EFFECTS')];
};

/** Asks without the field that says what to set, so that nothing can be set. */
async function knowsCommand(admin: Db): Promise<boolean> {
  try {
    await admin.command({ [PRIVILEGE]: 1 });
    return true;
  } catch (error) {
    return (error as { code?: unknown }).code !== COMMAND_NOT_FOUND;
  }
}

/** True where the source asks for no user, or does not tell what this one may. */
async function mayBlock(status: Promise<Document>): Promise<boolean> {
  const { authInfo } = await status;
  const users = (authInfo?.authenticatedUsers ?? []) as unknown[];
  const privileges = (authInfo?.authenticatedUserPrivileges ?? []) as Document[];
  if (users.length === 0 || privileges.length === 0) return true;
  return privileges.some(
    ({ resource, actions }) =>
      (resource?.cluster === true || resource?.anyResource === true) &&
      (actions as string[]).some((action) => action === PRIVILEGE || action === 'anyAction'),
  );
}
