import { newId } from '../domain/ids.ts';
import { timestamp } from '../domain/time.ts';
import type { Selectable } from 'kysely';
import type { EventType } from '../domain/eventTypes.ts';
import type { EventRow } from './schema.ts';
import type { Executor } from './executor.ts';

/** Who did it: an API key, a service account, a migration host, or null for the server itself. */
export type Actor =
  | { readonly apiKeyId: string; readonly publicKey: string; readonly remoteAddress: string | null }
  | { readonly clientId: string; readonly remoteAddress: string | null }
  | { readonly hostId: string; readonly remoteAddress: string | null }
  | null;

export interface NewEvent {
  readonly type: EventType;
  readonly orgId: string;
  readonly projectId?: string | null;
  readonly actor: Actor;
  /** The id of what it was done to. */
  readonly targetId?: string | null;
  /** What else is worth knowing. Never a secret. */
  readonly detail?: Readonly<Record<string, unknown>>;
}

/** Writes an audit event; in the transaction of the change that it tells of. */
export async function record(tx: Executor, event: NewEvent): Promise<void> {
  const { actor } = event;
  await tx
    .insertInto('events')
    .values({
      id: newId(),
      event_type: event.type,
      org_id: event.orgId,
      project_id: event.projectId ?? null,
      api_key_id: actor !== null && 'apiKeyId' in actor ? actor.apiKeyId : null,
      public_key: actor !== null && 'publicKey' in actor ? actor.publicKey : null,
      host_id: actor !== null && 'hostId' in actor ? actor.hostId : null,
      remote_address: actor?.remoteAddress ?? null,
      client_id: actor !== null && 'clientId' in actor ? actor.clientId : null,
      target_id: event.targetId ?? null,
      detail: JSON.stringify(event.detail ?? {}),
      created_at: timestamp(),
    })
    .execute();
}

/** Events of an organization, in their order. */
export async function listByOrganization(
  ex: Executor,
  orgId: string,
): Promise<Selectable<EventRow>[]> {
  return ex
    .selectFrom('events')
    .selectAll()
    .where('org_id', '=', orgId)
    .orderBy('sequence')
    .execute();
}
