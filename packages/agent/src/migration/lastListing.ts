import { formatNamespace, namespaceKey } from '@linkspan/contract/push/namespaces.ts';
import { type ListedNamespace, listSource } from '../source/listing.ts';
import type { MigrationContext } from './context.ts';
import { isSame } from './listSourceInto.ts';

type Scope = Pick<MigrationContext, 'source' | 'journal' | 'gate' | 'selection' | 'signal'>;

/**
 * What the source has when a cutover has found it at rest: one command a database. Comes back once the
 * stream has passed it, so that the tracker has seen what was written meanwhile (rule D7).
 */
export async function listAtRest(scope: Scope): Promise<readonly ListedNamespace[]> {
  const { source, gate, selection, signal } = scope;
  const { namespaces, to } = await listSource(source, gate.position.time, 'names', selection);
  await gate.waitFor(to, signal);
  return namespaces;
}

/**
 * Where that differs from what the journal has, in words, or null. Everything else that a cutover looks at
 * it takes from the journal; a collection that the journal has lost, or that came without an event, would
 * be missing at the destination and equal in every comparison (rule D5).
 */
export function differenceAtRest(
  { journal }: Pick<Scope, 'journal'>,
  listed: readonly ListedNamespace[],
): string | null {
  const names = new Set<string>();
  for (const one of listed) {
    const name = formatNamespace(one.namespace);
    names.add(namespaceKey(one.namespace));
    const known = journal.incarnations.byName(one.namespace);
    if (known === undefined) return `${name} is at the source and was not moved`;
    if (!isSame(known, one)) return `${name} is at the source, but not the one that was moved`;
    if (one.unsupported !== null) return `${name} cannot be migrated any more: ${one.unsupported}`;
  }
  for (const { source } of journal.incarnations.live()) {
    if (names.has(namespaceKey(source))) continue;
    return `${formatNamespace(source)} was moved and is not at the source any more`;
  }
  return null;
}
