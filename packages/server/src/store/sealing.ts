import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto';

const FORMAT = 1;
/** Where the key's id stands in a sealed value, and how long it is. */
export const KEY_ID_AT = 1;
export const KEY_ID_BYTES = 8;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const HEADER_BYTES = KEY_ID_AT + KEY_ID_BYTES + NONCE_BYTES;

/** A sealed value cannot be opened: another master key, another row, or damage. */
export class SealError extends Error {
  override readonly name = 'SealError';
}

/** Tells a key of 32 bytes from another one, and nothing else of it: hex. */
export function keyIdOf(key: Uint8Array): string {
  return createHash('sha256')
    .update('linkspan master key id')
    .update(key)
    .digest('hex')
    .slice(0, 2 * KEY_ID_BYTES);
}

/**
 * Seals secrets at rest with AES-256-GCM (rule C8). A sealed value is
 * `format (1) | key id (8) | nonce (12) | ciphertext | tag (16)`. The identity of the row it belongs
 * to is authenticated with it, so a value moved to another row does not open.
 */
export class Sealer {
  readonly #key: Buffer;
  readonly #others: ReadonlyMap<string, Buffer>;
  /** Of the key that it seals under. */
  readonly keyId: string;

  /**
   * @param key 32 bytes
   * @param others keys that what was sealed under them is opened with
   */
  constructor(key: Uint8Array, others: readonly Uint8Array[] = []) {
    for (const { length } of [key, ...others]) {
      if (length !== 32) throw new RangeError('a master key has 32 bytes');
    }
    this.#key = Buffer.from(key);
    this.keyId = keyIdOf(key);
    this.#others = new Map(others.map((other) => [keyIdOf(other), Buffer.from(other)]));
  }

  /** Of every key that it opens with. */
  get keyIds(): readonly string[] {
    return [this.keyId, ...this.#others.keys()];
  }

  /**
   * Other keys of 32 bytes for one purpose, from which no master key follows: one for each master key.
   * The first is of the one that it seals under, the others are what nodes may use that have not
   * changed to it.
   */
  deriveKeys(purpose: string): readonly [Buffer, ...Buffer[]] {
    const derive = (key: Buffer): Buffer =>
      Buffer.from(hkdfSync('sha256', key, '', `linkspan ${purpose}`, 32));
    return [derive(this.#key), ...[...this.#others.values()].map(derive)];
  }

  /** @param identity table, column and id of the row, as `clusters.uri/<id>` */
  seal(identity: string, secret: string): Buffer {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce);
    cipher.setAAD(Buffer.from(identity));
    return Buffer.concat([
      Buffer.of(FORMAT),
      Buffer.from(this.keyId, 'hex'),
      nonce,
      cipher.update(secret, 'utf8'),
      cipher.final(),
      cipher.getAuthTag(),
    ]);
  }

  /** Whether the value was sealed under the key that it seals under; nothing is opened. */
  hasSealed(sealed: Uint8Array): boolean {
    return sealedUnder(sealed) === this.keyId;
  }

  /** @throws {SealError} if it was sealed under another key or for another row */
  open(identity: string, sealed: Uint8Array): string {
    const bytes = Buffer.from(sealed);
    if (bytes.length < HEADER_BYTES + TAG_BYTES || bytes[0] !== FORMAT) {
      throw new SealError(`the sealed value of ${identity} is damaged`);
    }
    const key = this.hasSealed(bytes) ? this.#key : this.#others.get(sealedUnder(bytes));
    if (key === undefined) {
      throw new SealError(
        `the sealed value of ${identity} was sealed under another master key: start the server with the key file that belongs to this store`,
      );
    }
    const decipher = createDecipheriv(
      'aes-256-gcm',
      key,
      bytes.subarray(KEY_ID_AT + KEY_ID_BYTES, HEADER_BYTES),
    );
    decipher.setAAD(Buffer.from(identity));
    decipher.setAuthTag(bytes.subarray(bytes.length - TAG_BYTES));
    try {
      return Buffer.concat([
        decipher.update(bytes.subarray(HEADER_BYTES, bytes.length - TAG_BYTES)),
        decipher.final(),
      ]).toString('utf8');
    } catch {
      throw new SealError(`the sealed value of ${identity} is damaged or belongs to another row`);
    }
  }
}

function sealedUnder(sealed: Uint8Array): string {
  return Buffer.from(sealed.subarray(KEY_ID_AT, KEY_ID_AT + KEY_ID_BYTES)).toString('hex');
}
