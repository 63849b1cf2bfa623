import { resolve } from 'node:path';

import { Argument, type Command } from 'commander';

import { UsageError } from '../../exitCodes.ts';
import {
  isSecretKey,
  PROFILE_KEYS,
  SECRET_KEYS,
  updateProfile,
  type ProfileKey,
} from '../../profiles.ts';
import { checkBaseUrl } from '../../session.ts';
import { readSecret } from '../../terminal.ts';

/** `config set`: one value of a profile. */
export function addConfigSet(parent: Command): void {
  parent
    .command('set')
    .description(
      'Set one value of a profile. Private keys and client secrets are read from standard input.',
    )
    .addArgument(new Argument('<key>', 'what to set').choices(PROFILE_KEYS))
    .argument('[value]', 'its value; none for privateKey and clientSecret')
    .option('-P, --profile <name>', 'profile to change', 'default')
    .action(async (key: ProfileKey, given: string | undefined, options: { profile: string }) => {
      updateProfile(options.profile, { [key]: await valueOf(key, given) });
      console.log(`${key} of profile '${options.profile}' set`);
    });
}

async function valueOf(key: ProfileKey, given: string | undefined): Promise<string> {
  if (!isSecretKey(key)) {
    if (given === undefined) throw new UsageError(`give the value of ${key}`);
    if (key === 'baseUrl') checkBaseUrl(given);
    if (key === 'tlsCaFile') return resolve(given);
    return given;
  }
  if (given !== undefined) {
    throw new UsageError(
      `a ${SECRET_KEYS[key]} does not belong on a command line, where every user of this machine can read it: give it on standard input`,
    );
  }
  // A variable that is set for other commands is not what is to be kept.
  return await readSecret({
    what: SECRET_KEYS[key],
    file: undefined,
    flag: null,
    variable: null,
  });
}
