import type { NamespacesRequest } from '@linkspan/contract/api/liveMigrations.ts';
import type { Command } from 'commander';

import { UsageError } from './exitCodes.ts';

/** Flags of what is moved, and under which names. */
export interface NamespaceOptions {
  readonly include?: readonly string[];
  readonly exclude?: readonly string[];
  readonly rename?: readonly string[];
}

export function namespaceOptions(command: Command): Command {
  const add = (text: string, before: string[] | undefined): string[] => [...(before ?? []), text];
  return command
    .option(
      '--include <pattern>',
      'move these alone: a database, or database.collection with * and ?; may be repeated',
      add,
    )
    .option(
      '--exclude <pattern>',
      'leave these out, also of what is included; may be repeated',
      add,
    )
    .option(
      '--rename <from=to>',
      'another name at the destination, of a database or a database.collection; may be repeated',
      add,
    );
}

/**
 * What the flags ask for.
 * @returns undefined where there is none
 * @throws {UsageError} for a rename that is not written as from=to
 */
export function namespacesOf(options: NamespaceOptions): NamespacesRequest | undefined {
  const { include, exclude, rename } = options;
  if (include === undefined && exclude === undefined && rename === undefined) return undefined;
  return {
    ...(include !== undefined && { include: [...include] }),
    ...(exclude !== undefined && { exclude: [...exclude] }),
    ...(rename !== undefined && { rename: rename.map(readRename) }),
  };
}

/** The first `=` separates; one that belongs to a name has a backslash before it. */
function readRename(text: string): { from: string; to: string } {
  const at = /(?<!\\)=/.exec(text)?.index ?? -1;
  const [from = '', to = ''] = [text.slice(0, Math.max(at, 0)), text.slice(at + 1)].map((name) =>
    name.replaceAll(String.raw`\=`, '='),
  );
  if (at < 0 || from === '' || to === '') {
    throw new UsageError(`--rename "${text}" is not written as from=to`);
  }
  return { from, to };
}
