import type { Finding, SourceSize, ValidationReport } from '@linkspan/contract/push/validation.ts';
import type { Namespace } from '@linkspan/contract/push/namespaces.ts';
import type { StructureSample } from '@linkspan/contract/push/structure.ts';

import type { AddressCheck } from '../connect.ts';
import type { Destination } from '../destination.ts';

/** What a validation of a destination is about. */
export interface Validated {
  readonly cluster: string;
  readonly uri: string;
  readonly mayConnect: AddressCheck;
  /** What would be written. */
  readonly namespaces: readonly Namespace[];
  readonly dropDestinationData: boolean;
  /** What the agent told of the source; null for one before version 3. */
  readonly source: ValidationReport['source'] | null;
  readonly size: SourceSize | null;
  /** Kinds of options and indexes of the source. */
  readonly samples: readonly StructureSample[];
  /** How many kinds are not among them. */
  readonly samplesLeftOut: number;
  /** How far the agent's clock is ahead of this server's, in milliseconds; null where it is not told. */
  readonly agentClockOffsetMs: number | null;
}

/** What the checks of a destination look at. */
export interface Inspected extends Validated {
  readonly destination: Destination;
  /** Bytes that are free on its disks, or null where it does not tell. */
  readonly freeBytes: number | null;
  /** Aborted when the time for the checks is over. */
  readonly signal: AbortSignal;
}

export type Check = (inspected: Inspected) => Promise<Finding[]>;
