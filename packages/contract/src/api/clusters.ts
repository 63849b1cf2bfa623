import Type, { type Static } from 'typebox';
import { closed, type Link } from './common.ts';

/** A destination cluster, Linkspan's own resource. Its connection string is never shown. */
export interface Cluster {
  readonly created: string;
  readonly groupId: string;
  /** `host:port` of the seed list, or the name of a `mongodb+srv` record. No credentials. */
  readonly hosts: readonly string[];
  readonly id: string;
  readonly links: readonly Link[];
  /** Of the last connection test that went well, or null. */
  readonly mongoDBVersion: string | null;
  readonly name: string;
  readonly topology: string | null;
}

const Name = Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9-]{0,63}$' });
const Uri = Type.String({ minLength: 1, maxLength: 8192 });

export const CreateCluster = Type.Object({ name: Name, connectionString: Uri }, closed);
export type CreateCluster = Static<typeof CreateCluster>;

export const UpdateCluster = Type.Object({ connectionString: Uri }, closed);
export type UpdateCluster = Static<typeof UpdateCluster>;

/** Answer of a connection test. Codes are coarse; the message holds no credentials. */
export type ConnectionTestResult =
  | { readonly mongoDBVersion: string; readonly ok: true; readonly topology: string }
  | { readonly code: string; readonly message: string; readonly ok: false };
