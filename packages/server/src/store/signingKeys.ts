import type { Executor } from './executor.ts';
import type { Sealer } from './sealing.ts';
import type { SigningKeyRow } from './schema.ts';

/** The identity that a private key is sealed with. */
export function privateKeyIdentity(id: string): string {
  return `signing_keys.private_key/${id}`;
}

/** The private key, PKCS #8 in PEM. */
export function openPrivateKey(sealer: Sealer, row: SigningKeyRow): string {
  return sealer.open(privateKeyIdentity(row.id), row.private_key_sealed);
}

export async function insert(ex: Executor, row: SigningKeyRow): Promise<void> {
  await ex.insertInto('signing_keys').values(row).execute();
}

export async function find(ex: Executor, id: string): Promise<SigningKeyRow | undefined> {
  return ex.selectFrom('signing_keys').selectAll().where('id', '=', id).executeTakeFirst();
}

/** The newest first. */
export async function list(ex: Executor): Promise<SigningKeyRow[]> {
  return ex
    .selectFrom('signing_keys')
    .selectAll()
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .execute();
}

export async function remove(ex: Executor, id: string): Promise<void> {
  await ex.deleteFrom('signing_keys').where('id', '=', id).execute();
}
