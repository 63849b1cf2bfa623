import type { Generated } from 'kysely';

/**
 * The tables of the store. Ids are 24 hex digits; times are ISO 8601 in UTC with milliseconds;
 * sealed values are AES-256-GCM under the master key with the row's identity as associated data
 * (rule C8); hashes are SHA-256.
 */
export interface Schema {
  organizations: OrganizationRow;
  projects: ProjectRow;
  api_keys: ApiKeyRow;
  api_key_roles: ApiKeyRoleRow;
  api_key_access_list: AccessListRow & AccessListUsage;
  service_accounts: ServiceAccountRow;
  service_account_roles: ServiceAccountRoleRow;
  service_account_secrets: ServiceAccountSecretRow;
  service_account_access_list: ServiceAccountAccessListRow & AccessListUsage;
  access_tokens: AccessTokenRow;
  signing_keys: SigningKeyRow;
  clusters: ClusterRow;
  links: LinkRow;
  host_tokens: HostTokenRow;
  migration_hosts: MigrationHostRow;
  validations: ValidationRow;
  live_migrations: LiveMigrationRow;
  migration_namespaces: MigrationNamespaceRow;
  push_sessions: PushSessionRow & PushSessionLease;
  sub_leases: SubLeaseRow;
  nodes: NodeRow;
  events: EventRow;
  store_facts: StoreFactRow;
  rate_limit_buckets: RateLimitBucketRow;
  nonce_uses: NonceUseRow;
}

export interface OrganizationRow {
  id: string;
  name: string;
  created_at: string;
  /** JSON of the settings that were changed; the others have their defaults. */
  settings: string;
  /** JSON of attributes that have no effect here and are shown as they were given: `{}` if none. */
  kept: string;
}

export interface ProjectRow {
  id: string;
  org_id: string;
  name: string;
  created_at: string;
  /** JSON array of `{key, value}`. */
  tags: string;
  /** As that of an organization. */
  kept: string;
}

export interface ApiKeyRow {
  id: string;
  org_id: string;
  public_key: string;
  /** HA1 of Digest (RFC 7616, MD5), sealed. */
  ha1_sealed: Uint8Array;
  /** The last 12 characters of the private key, shown in lists. */
  private_key_suffix: string;
  description: string;
  /** Set on the key of an organization link, which authorises nothing in the API (rule C5). */
  link_id: string | null;
  created_at: string;
}

export interface ApiKeyRoleRow {
  api_key_id: string;
  /** Exactly one of org_id and project_id is set. */
  org_id: string | null;
  project_id: string | null;
  role: string;
}

export interface AccessListRow {
  api_key_id: string;
  /** An address or a CIDR block, normalised. */
  cidr: string;
  created_at: string;
}

/** What an entry of an access list was good for since it was made. */
export interface AccessListUsage {
  request_count: Generated<number>;
  last_used_at: Generated<string | null>;
  last_used_address: Generated<string | null>;
}

export interface ServiceAccountRow {
  /** `mdb_sa_id_` and 24 hex digits. */
  client_id: string;
  org_id: string;
  name: string;
  description: string;
  created_at: string;
}

export interface ServiceAccountRoleRow {
  client_id: string;
  /** Exactly one of org_id and project_id is set. */
  org_id: string | null;
  project_id: string | null;
  role: string;
}

/** At most two of an account. */
export interface ServiceAccountSecretRow {
  id: string;
  client_id: string;
  secret_hash: Uint8Array;
  /** The last 4 characters, shown in lists. */
  secret_suffix: string;
  created_at: string;
  expires_at: string;
  last_used_at: string | null;
}

export interface ServiceAccountAccessListRow {
  client_id: string;
  /** An address or a CIDR block, normalised. */
  cidr: string;
  created_at: string;
}

/** A live access token: one that is not here is not valid, whatever its signature says (rule C6). */
export interface AccessTokenRow {
  /** The token's `jti`. */
  id: string;
  client_id: string;
  /** The secret it was issued for; it ends with it. */
  secret_id: string;
  issued_at: string;
  expires_at: string;
}

/** A key that signs access tokens; the newest signs, older ones still verify. */
export interface SigningKeyRow {
  /** The token's `kid`. */
  id: string;
  /** PKCS #8 in PEM, sealed. */
  private_key_sealed: Uint8Array;
  created_at: string;
}

export interface ClusterRow {
  id: string;
  project_id: string;
  name: string;
  /** The connection string of the destination cluster, sealed. */
  uri_sealed: Uint8Array;
  /** JSON of what the cluster said of itself (version, topology), or null before it was connected to. */
  facts: string | null;
  created_at: string;
}

/** PENDING until a migration host has presented the token. A removed link has no row. */
export type LinkState = 'PENDING' | 'LINKED' | 'REMOVING';

export interface LinkRow {
  id: string;
  org_id: string;
  /** That key is deleted when the state becomes REMOVING; null in rows of servers that did not keep the id. */
  api_key_id: string | null;
  state: LinkState;
  token_hash: Uint8Array;
  token_expires_at: string;
  /** The host that used the token up. */
  token_host_id: string | null;
  /** JSON array of addresses and CIDR blocks from which hosts may come; empty: any. */
  access_list: string;
  created_at: string;
  /** Since when it waits for an owner, who has to confirm it after a backup was restored; else null. */
  suspended_at: string | null;
}

/** A further link-token of a link, for one more migration host; the first is in the link's row. */
export interface HostTokenRow {
  id: string;
  link_id: string;
  token_hash: Uint8Array;
  token_expires_at: string;
  /** The host that used the token up. */
  token_host_id: string | null;
  created_at: string;
}

export interface MigrationHostRow {
  id: string;
  link_id: string;
  hostname: string;
  secret_hash: Uint8Array;
  agent_version: string;
  /** JSON of `Inventory.projects` as last reported. */
  inventory: string;
  registered_at: string;
  heartbeat_at: string;
  /** When the source side said that it has unlinked; null while it is linked. */
  unlinked_at: string | null;
  /** When an owner asked for its removal from the link; null while nobody did. */
  removing_at: string | null;
}

export type ValidationStatus = 'PENDING' | 'SUCCESS' | 'FAILED';

export interface ValidationRow {
  id: string;
  project_id: string;
  link_id: string | null;
  host_id: string;
  cluster_id: string;
  drop_destination_data: 0 | 1;
  /** JSON of the wire's `Source` without its password. */
  source: string;
  /** The password given in the request; erased when the validation is settled. */
  password_sealed: Uint8Array | null;
  status: ValidationStatus;
  /** JSON array of `Finding`. */
  findings: string;
  error_message: string | null;
  created_at: string;
  finished_at: string | null;
  /** JSON of the wire's `Namespaces`; null where all is to be moved under its own name. */
  namespaces: string | null;
  /** The migration would block the writes of the source at its cutover. */
  block_source_writes: 0 | 1;
  /** JSON of the API's `Estimate`, or of null; null until it is settled. */
  estimate: string | null;
}

export type LiveMigrationStatus = 'NEW' | 'WORKING' | 'FAILED' | 'COMPLETE' | 'EXPIRED';

export interface LiveMigrationRow {
  id: string;
  project_id: string;
  /** null once the link was removed. */
  link_id: string | null;
  host_id: string;
  hostname: string;
  cluster_id: string;
  source: string;
  /** Erased when the migration ends. */
  password_sealed: Uint8Array | null;
  status: LiveMigrationStatus;
  drop_destination_data: 0 | 1;
  /** 1 once what the destination held was dropped, or nothing had to be. */
  destination_prepared: 0 | 1;
  /** Number of the last cutover that was asked for; 0 before the first. */
  cutover_attempt: number;
  /** The attempt that failed last; a cutover is under way while it is smaller than the attempt. */
  cutover_failed_attempt: number;
  cutover_failure: string | null;
  /** Why it is FAILED or EXPIRED. */
  failure_reason: string | null;
  /** The newest push session's epoch; grows by one with each (invariant I5). */
  epoch: number;
  /** Of the session that carried out the last structural request, and its number there; 0 before the first. */
  structure_epoch: number;
  structure_number: number;
  /** JSON of the wire's `Progress` as last reported, or null. */
  progress: string | null;
  progress_at: string | null;
  /** JSON `{collections, documents}` that the cutover verified, or null. */
  verified: string | null;
  created_at: string;
  finished_at: string | null;
  /** When it was paused; null while it is not. */
  paused_at: string | null;
  /** When it was canceled, which made it FAILED; null if it was not. */
  canceled_at: string | null;
  /** JSON of the wire's `Namespaces`; null where all is moved under its own name. */
  namespaces: string | null;
  /** JSON of the wire's `Throttle`; null where there is none. */
  throttle: string | null;
  /** How long it may go on after it was first ready for cutover. */
  window_hours: number;
  /** When it was first ready for cutover, or null. */
  window_began_at: string | null;
  /** The last warning of the window's end, in hours before it; null before the first. */
  window_warned_hours: number | null;
  /** What becomes of what a canceled migration had copied; null if it was not canceled. */
  copied_data: 'KEPT' | 'DROPPING' | 'DROPPED' | null;
  /** A cutover begins by blocking the writes of the source (rule D23). */
  block_source_writes: 0 | 1;
  /** JSON of the wire's `Verification` as last reported, or null. */
  verification: string | null;
  /** What a cutover compares. */
  cutover_verification: 'CHANGED' | 'FULL';
  /** Numbers of the last verification and repair that were asked for; 0 before the first. */
  verify_attempt: number;
  repair_attempt: number;
  /** How often the host has reported that the source's history was lost. */
  history_losses: number;
  /** How often it was given to another migration host. */
  host_changes: number;
  /** The migration host that says that it has recorded a write block at the source, or null. */
  write_block_host_id: string | null;
  /** JSON `{from, at, reason}` of the last time, or null. */
  moved: string | null;
  /**
   * When the store was restored from a backup while it was active, or null: what it has made at the destination
   * since that backup is not in `migration_namespaces`.
   */
  restored_at: string | null;
}

/** What the migration created at the destination, written before the command is sent (D11, C2). */
export interface MigrationNamespaceRow {
  migration_id: string;
  db: string;
  coll: string;
  /** 1 for what was there before, and was taken over: an empty collection, or the same view. */
  was_there: number;
}

/** A session that may have writes under way: OPEN until each write it sent is known to be answered. */
export interface PushSessionRow {
  id: string;
  migration_id: string;
  link_id: string;
  cluster_id: string;
  epoch: number;
  secret_hash: Uint8Array;
  state: 'OPEN' | 'SETTLED';
  /**
   * What the `appName` of the connections begins with that it writes through: how its operations are found in
   * currentOp.
   */
  connection_name: string;
  opened_at: string;
}

/** Whose a session is, and for how long (rule C14). */
export interface PushSessionLease {
  /** The run of the node that opened it: {@link NodeRow}. */
  node_id: Generated<string>;
  /** By the database's clock; not after now: nobody holds it, and nobody ever will again. */
  lease_until: Generated<string>;
  /** 1 if every write of documents carries a number of its epoch (rule D14). */
  is_fenced: Generated<0 | 1>;
  /** 1 while a command that changes structure may be under way, which carries none. */
  structure_under_way: Generated<0 | 1>;
  /** The migration host that pushes through it; null: the server itself does. */
  host_id: Generated<string | null>;
  /** 1 while ranges of its migration are offered to other hosts. */
  offers_ranges: Generated<0 | 1>;
}

/** Another host may have writes under way through a session, or be about to send some (rule C2). */
export interface SubLeaseRow {
  id: string;
  session_id: string;
  host_id: string;
}

/** One run of a server node: a node that is started again is another one. */
export interface NodeRow {
  id: string;
  /** Where the other nodes reach it, or null if it does not know. */
  url: string | null;
  started_at: string;
  /** When it last said that it runs, by the database's clock. */
  seen_at: string;
  /** JSON of the ids of the master keys that it opens with. */
  key_ids: string;
}

export interface EventRow {
  /** Grows with time: the order of events. */
  sequence: Generated<number>;
  id: string;
  event_type: string;
  org_id: string;
  project_id: string | null;
  /** Who: an API key's id and public key, a migration host's id, a service account's, or null for the server itself. */
  api_key_id: string | null;
  public_key: string | null;
  host_id: string | null;
  /** The service account that did it. */
  client_id: string | null;
  remote_address: string | null;
  target_id: string | null;
  /** The destination cluster that it is about, by the name that it had. */
  cluster_name: string | null;
  /** JSON of what else is worth knowing; never a secret. */
  detail: string;
  created_at: string;
}

/** Tables of what nodes share for a while only: nobody misses what was in them. */
export const TRANSIENT_TABLES: readonly (keyof Schema)[] = [
  'rate_limit_buckets',
  'nonce_uses',
  'nodes',
];

/**
 * What is known of the store as a whole: the id of the master key that it is sealed under; in a backup,
 * when it was made.
 */
export type StoreFact = 'masterKeyId' | 'backedUpAt';

export interface StoreFactRow {
  name: StoreFact;
  value: string;
}

/** A bucket of requests that several nodes take from (rule C10). Lost without harm. */
export interface RateLimitBucketRow {
  /** Name of the set and its owner. */
  name: string;
  tokens: number;
  /** 1 if the last request got one. */
  allowed: 0 | 1;
  /** Seconds since 1970, of the database's clock. */
  updated_at: number;
}

/** A count of a Digest nonce that some node has accepted (rule C7). */
export interface NonceUseRow {
  nonce: string;
  count: number;
  /** When the nonce is good for nothing any more. */
  expires_at: string;
}
