import { keyOf } from '@linkspan/contract/bson/raw.ts';
import type { DocumentsReply } from '@linkspan/contract/push/session.ts';
import type { MigrationContext } from './context.ts';

/** What a copy was refused is left to the flush, which tries again and says why if it cannot. */
export function markRefused(
  { journal, gate }: Pick<MigrationContext, 'journal' | 'gate'>,
  id: number,
  documents: readonly Buffer[],
  { failures }: DocumentsReply,
): void {
  const collated = journal.incarnations.get(id)?.collated === true;
  for (const { index } of failures) {
    const document = documents[index];
    if (document === undefined) continue;
    const documentKey = keyOf(document);
    const { time } = gate.position;
    journal.dirty.mark({ incarnation: id, collated, documentKey, operation: 'write', time });
  }
}
