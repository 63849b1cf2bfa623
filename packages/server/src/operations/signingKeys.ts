import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto';
import { newId } from '../domain/ids.ts';
import { timestamp } from '../domain/time.ts';
import type { Executor } from '../store/executor.ts';
import type { SigningKeyRow } from '../store/schema.ts';
import * as signingKeys from '../store/signingKeys.ts';
import type { Store } from '../store/store.ts';

/** A private key on P-256, for ES256. */
export interface SigningKey {
  readonly id: string;
  readonly privateKey: KeyObject;
}

export interface SigningKeysOptions {
  /** For how long a key signs before another takes its place, in milliseconds. */
  readonly rotationMs: number;
  /** The longest life of what is signed, in milliseconds. */
  readonly longestLifeMs: number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/**
 * The keys that sign access tokens. The newest signs; each older one still verifies until the last
 * token that it can have signed has expired, and is deleted then. All of them are sealed in the store.
 */
export class SigningKeys {
  readonly #store: Store;
  readonly #options: SigningKeysOptions;
  /** Opened keys by id. What a token is worth is looked up apart from this, every time (rule C6). */
  readonly #opened = new Map<string, SigningKey>();

  constructor(store: Store, options: SigningKeysOptions) {
    this.#store = store;
    this.#options = options;
  }

  /** The key that signs now; made here if there is none, or if the newest is too old. */
  async current(tx: Executor): Promise<SigningKey> {
    const { rotationMs, longestLifeMs, now } = this.#options;
    const known = await signingKeys.list(tx);
    const [newest] = known;
    if (newest === undefined || now() - Date.parse(newest.created_at) >= rotationMs) {
      return this.#make(tx);
    }
    // A key signs nothing any more from the moment at which its successor was made.
    let successor = newest;
    for (const row of known.slice(1)) {
      if (now() - Date.parse(successor.created_at) > longestLifeMs) await this.#remove(tx, row.id);
      successor = row;
    }
    return this.#open(newest);
  }

  /** What verifies that the key signed, or null if there is no such key. */
  async publicKey(id: string): Promise<KeyObject | null> {
    const known = this.#opened.get(id);
    if (known !== undefined) return createPublicKey(known.privateKey);
    const row = await signingKeys.find(this.#store.db, id);
    return row === undefined ? null : createPublicKey(this.#open(row).privateKey);
  }

  async #make(tx: Executor): Promise<SigningKey> {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const id = newId();
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    await signingKeys.insert(tx, {
      id,
      private_key_sealed: this.#store.sealer.seal(signingKeys.privateKeyIdentity(id), pem),
      created_at: timestamp(new Date(this.#options.now())),
    });
    return { id, privateKey };
  }

  #open(row: SigningKeyRow): SigningKey {
    const known = this.#opened.get(row.id);
    if (known !== undefined) return known;
    const privateKey = createPrivateKey(signingKeys.openPrivateKey(this.#store.sealer, row));
    const key = { id: row.id, privateKey };
    this.#opened.set(row.id, key);
    return key;
  }

  async #remove(tx: Executor, id: string): Promise<void> {
    await signingKeys.remove(tx, id);
    this.#opened.delete(id);
  }
}
