import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto';

const FORMAT = 1;
const KEY_ID_BYTES = 8;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const HEADER_BYTES = 1 + KEY_ID_BYTES + NONCE_BYTES;

/** A sealed value cannot be opened: another master key, another row, or damage. */
export class SealError extends Error {
  override readonly name = 'SealError';
}

/**
 * Seals secrets at rest with AES-256-GCM (rule C8). A sealed value is
 * `format (1) | key id (8) | nonce (12) | ciphertext | tag (16)`. The identity of the row it belongs
 * to is authenticated with it, so a value moved to another row does not open.
 */
export class Sealer {
  readonly #key: Buffer;
  readonly #keyId: Buffer;

  /** @param key 32 bytes */
  constructor(key: Uint8Array) {
    if (key.length !== 32) throw new RangeError('a master key has 32 bytes');
    this.#key = Buffer.from(key);
    this.#keyId = createHash('sha256')
      .update('linkspan master key id')
      .update(key)
      .digest()
      .subarray(0, KEY_ID_BYTES);
  }

  /** Tells this key from another one, and nothing else of it: hex. */
  get keyId(): string {
    return this.#keyId.toString('hex');
  }

  /** Another key of 32 bytes for one purpose, from which the master key does not follow. */
  deriveKey(purpose: string): Buffer {
    return Buffer.from(hkdfSync('sha256', this.#key, '', `linkspan ${purpose}`, 32));
  }

  /** @param identity table, column and id of the row, as `clusters.uri/<id>` */
  seal(identity: string, secret: string): Buffer {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce);
    cipher.setAAD(Buffer.from(identity));
    return Buffer.concat([
      Buffer.of(FORMAT),
      this.#keyId,
      nonce,
      cipher.update(secret, 'utf8'),
      cipher.final(),
      cipher.getAuthTag(),
    ]);
  }

  /** Whether the value was sealed under this key; nothing is opened. */
  hasSealed(sealed: Uint8Array): boolean {
    return this.#keyId.equals(sealed.subarray(1, 1 + KEY_ID_BYTES));
  }

  /** @throws {SealError} if it was sealed under another key or for another row */
  open(identity: string, sealed: Uint8Array): string {
    const bytes = Buffer.from(sealed);
    if (bytes.length < HEADER_BYTES + TAG_BYTES || bytes[0] !== FORMAT) {
      throw new SealError(`the sealed value of ${identity} is damaged`);
    }
    if (!this.hasSealed(bytes)) {
      throw new SealError(
        `the sealed value of ${identity} was sealed under another master key: start the server with the key file that belongs to this store`,
      );
    }
    const decipher = createDecipheriv(
      'aes-256-gcm',
      this.#key,
      bytes.subarray(1 + KEY_ID_BYTES, HEADER_BYTES),
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
