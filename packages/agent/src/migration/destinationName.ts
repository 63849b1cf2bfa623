import { whyNotNamespace } from '@linkspan/contract/namespaces/destinationNames.ts';
import { formatNamespace } from '@linkspan/contract/push/namespaces.ts';
import type { Incarnation } from '../journal/incarnations.ts';
import type { ListedNamespace } from '../source/listing.ts';
import type { MigrationContext } from './context.ts';
import {
  viewAtDestination,
  ViewAcrossDatabasesError,
} from '@linkspan/contract/namespaces/views.ts';

/**
 * Why a collection or view cannot have the name at the destination that it would get, in words, or null.
 * Of two that would get the same one, the one has it that is there already, else the older.
 */
export function whyNotThere(
  { journal, selection }: Pick<MigrationContext, 'journal' | 'selection'>,
  { id, source, destination: current }: Incarnation,
  { type, options }: ListedNamespace,
): string | null {
  if (!selection.renames) return null;
  const destination = selection.destinationOf(source);
  const there = formatNamespace(destination);
  const refused = whyNotNamespace(destination);
  if (refused !== null) return `no server takes its name at the destination: ${refused} (${there})`;
  for (const name of selection.sourcesOf(destination)) {
    const other = journal.incarnations.byName(name);
    if (other === undefined || other.id === id || current !== null) continue;
    if (other.destination !== null || other.id < id) {
      return `its name at the destination would be ${there}, and so is that of ${formatNamespace(name)}: rename or drop one of them`;
    }
  }
  return type === 'view' ? whyNoView(() => viewAtDestination(selection, source, options)) : null;
}

function whyNoView(make: () => unknown): string | null {
  try {
    make();
    return null;
  } catch (error) {
    if (!(error instanceof ViewAcrossDatabasesError)) throw error;
    return error.message;
  }
}
