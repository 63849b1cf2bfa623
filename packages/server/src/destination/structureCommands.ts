import { formatNamespace, type Namespace } from '@linkspan/contract/push/namespaces.ts';
import type { Document } from 'mongodb';

import type { Destination } from './destination.ts';
import { DestinationRefusedError, StructureRefusedError } from './errors.ts';

const UNAUTHORIZED = 13;

/** How a command is sent where it is not like most. */
export interface CommandOptions {
  /** The database that the command is sent to, if not the namespace's. */
  readonly db?: string;
  /** A code that says that there was nothing to do. */
  readonly harmless?: number;
  /** Takes as long as it takes. */
  readonly unhurried?: boolean;
}

/** Sends the commands of one structural request, and keeps what they have done. */
export class StructureCommands {
  /** What was done, in words. */
  readonly changes: string[] = [];
  readonly destination: Destination;

  constructor(destination: Destination) {
    this.destination = destination;
  }

  /**
   * @param what is done to the namespace, in words
   * @throws {StructureRefusedError} where the destination refuses it for what it is
   * @throws {DestinationUnavailableError} {DestinationRefusedError}
   */
  async run(
    namespace: Namespace,
    what: string,
    command: Document,
    options: CommandOptions = {},
  ): Promise<void> {
    const doing = `${formatNamespace(namespace)}: ${what}`;
    const db = options.db ?? namespace.db;
    try {
      if (options.unhurried === true) await this.destination.writeUnhurried(db, doing, command);
      else await this.destination.write(db, doing, command);
    } catch (error) {
      if (!(error instanceof DestinationRefusedError) || error.code === UNAUTHORIZED) throw error;
      if (error.code !== null && error.code === options.harmless) return;
      throw new StructureRefusedError(error.message, { cause: error });
    }
    this.changes.push(doing);
  }
}
