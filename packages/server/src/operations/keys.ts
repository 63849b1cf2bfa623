import type { ApiKey, RoleAssignment } from '@linkspan/contract/api/apiKeys.ts';
import { newId } from '../domain/ids.ts';
import { newKeyPair, redactedPrivateKey } from '../domain/keyPair.ts';
import { timestamp } from '../domain/time.ts';
import * as apiKeys from '../store/apiKeys.ts';
import type { Executor } from '../store/executor.ts';
import type { ApiKeyRow } from '../store/schema.ts';
import type { Sealer } from '../store/sealing.ts';

/** A key that was just made: the only moment at which its private key is known. */
export interface NewKey {
  readonly row: ApiKeyRow;
  readonly privateKey: string;
}

/** Makes an API key of an organization, without roles. */
export async function insertKey(
  tx: Executor,
  sealer: Sealer,
  key: { readonly orgId: string; readonly description: string; readonly linkId: string | null },
): Promise<NewKey> {
  const id = newId();
  const pair = newKeyPair();
  const row: ApiKeyRow = {
    id,
    org_id: key.orgId,
    public_key: pair.publicKey,
    ha1_sealed: sealer.seal(apiKeys.ha1Identity(id), pair.ha1),
    private_key_suffix: pair.privateKey.slice(-12),
    description: key.description,
    link_id: key.linkId,
    created_at: timestamp(),
  };
  await apiKeys.insert(tx, row);
  return { row, privateKey: pair.privateKey };
}

/**
 * A key as the API shows it.
 * @param privateKey given only in the answer to its creation
 */
export function toApiKey(
  row: ApiKeyRow,
  roles: readonly apiKeys.RoleAssignment[],
  base: string,
  privateKey?: string,
): ApiKey {
  return {
    desc: row.description,
    id: row.id,
    links: [{ href: `${base}/orgs/${row.org_id}/apiKeys/${row.id}`, rel: 'self' }],
    privateKey: privateKey ?? redactedPrivateKey(row.private_key_suffix),
    publicKey: row.public_key,
    roles: roles.map(toRole),
  };
}

/** A role as the API shows it. */
export function toRole(role: apiKeys.RoleAssignment): RoleAssignment {
  return role.org_id !== null
    ? { orgId: role.org_id, roleName: role.role }
    : { groupId: role.project_id ?? '', roleName: role.role };
}
