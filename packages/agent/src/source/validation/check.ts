import type { Finding } from '@linkspan/contract/push/validation.ts';
import type { Namespaces } from '@linkspan/contract/push/work.ts';
import { finding } from '@linkspan/contract/api/findings.ts';
import type { SourceConnection } from '../connection.ts';
import type { SourceFacts } from '../identity.ts';
import type { ListedNamespace } from '../listing.ts';

/** What a validation is about. */
export interface Validated {
  /** With credentials. */
  readonly uri: string;
  /** What is to be moved; null: everything, under its own name. */
  readonly namespaces: Namespaces | null;
  /** Where the journal of the migration will be. */
  readonly stateDirectory: string;
  /**
   * Whether the cutover is to block the writes of the source; `uri` is that of agent.yaml, by which it
   * does.
   */
  readonly writeBlock: { readonly uri: string; readonly isAllowed: boolean } | null;
}

/** What the checks of a source look at. */
export interface Inspected extends Validated {
  readonly source: SourceConnection;
  readonly facts: SourceFacts;
  /** What is to be moved. */
  readonly listed: readonly ListedNamespace[];
  /** That, and what is left out. */
  readonly everything: readonly ListedNamespace[];
  /** Bytes of documents of all that is listed. */
  readonly dataBytes: number;
  /** How long the copy may take, or null where that cannot be told. */
  readonly copySeconds: number | null;
}

/** One question to a source. What the source refuses to tell is a finding or none, never an error. */
export type Check = (inspected: Inspected) => Promise<Finding[]>;

const UNAUTHORIZED = 13;

export function isUnauthorized(error: unknown): boolean {
  return (error as { code?: unknown }).code === UNAUTHORIZED;
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Runs checks side by side; one that breaks is told of by its name, and hides none of the others. */
export async function runChecks(
  checks: Readonly<Record<string, Check>>,
  inspected: Inspected,
): Promise<Finding[]> {
  const found = await Promise.all(
    Object.entries(checks).map(async ([name, check]) => {
      try {
        return await check(inspected);
      } catch (error) {
        return [finding('SOURCE_CHECK_FAILED', `${name}: ${messageOf(error)}.`)];
      }
    }),
  );
  return found.flat();
}
