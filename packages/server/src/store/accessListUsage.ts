import type { Executor } from './executor.ts';

/** Requests that an entry of an access list has let in, and the last of them. */
export interface Use {
  readonly kind: 'apiKey' | 'serviceAccount';
  /** Id of the key, or client id. */
  readonly id: string;
  readonly cidr: string;
  readonly requests: number;
  readonly at: string;
  readonly address: string;
}

/** Adds to what is known of an entry; one that is gone is left alone. */
export async function add(ex: Executor, use: Use): Promise<void> {
  const last = { last_used_at: use.at, last_used_address: use.address };
  if (use.kind === 'apiKey') {
    await ex
      .updateTable('api_key_access_list')
      .set((eb) => ({ ...last, request_count: eb('request_count', '+', use.requests) }))
      .where('api_key_id', '=', use.id)
      .where('cidr', '=', use.cidr)
      .execute();
  } else {
    await ex
      .updateTable('service_account_access_list')
      .set((eb) => ({ ...last, request_count: eb('request_count', '+', use.requests) }))
      .where('client_id', '=', use.id)
      .where('cidr', '=', use.cidr)
      .execute();
  }
}
