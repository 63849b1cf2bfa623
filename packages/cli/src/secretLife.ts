import { MAX_SECRET_HOURS, MIN_SECRET_HOURS } from '@linkspan/contract/api/serviceAccounts.ts';
import { InvalidArgumentError, Option } from 'commander';

const DEFAULT_HOURS = 30 * 24;

/** How long a new client secret is to live. */
export function secretLifeOption(): Option {
  return new Option(
    '--secretExpiresAfterHours <hours>',
    `hours until the secret expires, ${MIN_SECRET_HOURS} to ${MAX_SECRET_HOURS} or what the organization allows`,
  )
    .default(DEFAULT_HOURS)
    .argParser((text) => {
      if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError('It must be a whole number.');
      return Number(text);
    });
}
