import type { AddressList } from '../domain/addresses.ts';
import type { Principal } from '../domain/access.ts';
import type { DestinationProbe, LinkFence, MigrationFence, WorkSignal } from '../domain/ports.ts';
import type { Actor } from '../store/events.ts';
import type { Store } from '../store/store.ts';

/** What the log takes: fields first, then the text. Never a secret. */
export interface Log {
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
  error(fields: object, text: string): void;
}

/** What operations work with. Wired once, in `main.ts`. */
export interface OperationContext {
  readonly store: Store;
  readonly fence: LinkFence & MigrationFence;
  readonly probe: DestinationProbe;
  readonly work: WorkSignal;
  /** The configured public URL, without a slash at its end: stands in link-tokens (rule C5). */
  readonly publicUrl: () => string;
  /** Networks that destinations may have although they are on this server's side (rule C13). */
  readonly allowedNetworks: AddressList;
  /** How long DELETE linkTokens and a cancel wait for proof, in milliseconds (rule C3). */
  readonly removalWaitMs: number;
  /** How long a migration may go on after it was first ready for cutover, where no one says. */
  readonly windowHours: number;
  /** For which a link-token can be presented. */
  readonly linkTokenHours: number;
  readonly log: Log;
}

/** The caller, as audit events name it. */
export function actorOf(principal: Principal): Actor {
  const { credential, remoteAddress } = principal;
  return credential.kind === 'apiKey'
    ? { apiKeyId: credential.apiKeyId, publicKey: credential.publicKey, remoteAddress }
    : { clientId: credential.clientId, remoteAddress };
}
