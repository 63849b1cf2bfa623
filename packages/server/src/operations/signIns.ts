import type { SignInAccount, SignInAudit, SignInFailure } from './signInAudit.ts';
import type { SignInBackoff } from './signInBackoff.ts';

/** What every way in asks before it judges credentials, and tells when it has (rule C11). */
export class SignIns {
  readonly #audit: SignInAudit;
  readonly #backoff: SignInBackoff;

  constructor(audit: SignInAudit, backoff: SignInBackoff) {
    this.#audit = audit;
    this.#backoff = backoff;
  }

  /**
   * Seconds for which nothing that this address sends for this name is looked at; 0: none.
   * @param name what the caller calls itself, whether that exists or not
   */
  waitSeconds(name: string, address: string): number {
    return this.#backoff.waitSeconds(name, address);
  }

  /** The credentials were right. */
  succeeded(name: string, address: string): void {
    this.#backoff.succeeded(name, address);
  }

  /**
   * The credentials were wrong.
   * @param account whose they would have been; null where there is none of that name
   */
  failed(
    name: string,
    address: string,
    account: SignInAccount | null,
    failure: SignInFailure,
  ): void {
    this.#backoff.failed(name, address);
    if (account !== null) this.#audit.failed(account, address, failure);
  }

  /** The credentials are no guess: they may not be used from this address, or not any more. */
  refused(
    account: SignInAccount,
    address: string,
    failure: 'ADDRESS_NOT_ON_ACCESS_LIST' | 'NO_ACCESS_LIST' | 'INVALID_ACCESS_TOKEN',
  ): void {
    this.#audit.failed(account, address, failure);
  }
}
