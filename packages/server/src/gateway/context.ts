import type { Logger } from 'pino';

import type { AddressCheck } from '../destination/connect.ts';
import type { SignInAudit } from '../operations/signInAudit.ts';
import type { Store } from '../store/store.ts';
import type { Budget } from './byteBudget.ts';
import type { Forwarding } from './forward.ts';
import type { Inbound } from './inbound.ts';
import type { Leases } from './leases.ts';
import type { Looks } from './looks.ts';
import type { Polls } from './polls.ts';
import type { Sessions } from './sessions.ts';
import type { Wakes } from './wakes.ts';

/** What the gateway's parts work with. Made once, in `gateway.ts`. */
export interface GatewayContext {
  readonly store: Store;
  readonly log: Logger;
  /** Is told of hosts and link-tokens that are known and refused (rule C11). */
  readonly audit: Pick<SignInAudit, 'failed'>;
  readonly mayConnect: AddressCheck;
  readonly sessions: Sessions;
  /** By which sessions belong to this node. */
  readonly leases: Leases;
  /** To the nodes that hold the others. */
  readonly forwarding: Forwarding;
  /** Whether agents have to show a certificate. */
  readonly agentCertificates: boolean;
  readonly wakes: Wakes;
  /** Of hosts, that wait for work. */
  readonly polls: Polls;
  /** Into the store, for them. */
  readonly looks: Looks;
  /** Tells all nodes that something of a link has changed. A hint only. */
  readonly announce: (linkId: string) => void;
  /** For bodies after decompression, until they are written. */
  readonly budget: Budget;
  /** For bodies before decompression. */
  readonly inbound: Inbound;
  /** Aborts when the server stops. */
  readonly stopping: AbortSignal;
}
