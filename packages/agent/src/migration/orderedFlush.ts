import { comparableKey } from '@linkspan/contract/bson/comparableKey.ts';
import { keyOf } from '@linkspan/contract/bson/raw.ts';
import { formatNamespace } from '@linkspan/contract/push/namespaces.ts';
import { MAX_BATCH_BYTES } from '@linkspan/contract/push/version.ts';
import type { ClusterTime } from '../journal/clusterTime.ts';
import type { DirtyKey } from '../journal/dirtyKeys.ts';
import type { Incarnation } from '../journal/incarnations.ts';
import { sizeOf } from '../source/cutBySize.ts';
import { readBack } from '../source/reader.ts';
import type { MigrationContext } from './context.ts';
import type { KeyPush, KeyPusher } from './keyPusher.ts';

/**
 * Step 3 for capped collections (rule D12): reads keys back and pushes them in the order in which their
 * documents were inserted. A document that is at the destination is replaced where it stands, one that
 * was deleted and inserted again goes to the end.
 *
 * @param keys in their order; those after what one reply holds are left for the next time
 */
export async function flushInOrder(
  context: MigrationContext,
  pusher: KeyPusher,
  lane: number,
  incarnation: Incarnation,
  keys: readonly DirtyKey[],
): Promise<void> {
  const { gate, lives, signal, hooks, meter, journal } = context;
  const names = lives.nameChanges(incarnation.id);
  let some = keys;
  let read = await readAtOnce(context, incarnation, some);
  while (read === null) {
    some = some.slice(0, Math.ceil(some.length / 2));
    read = await readAtOnce(context, incarnation, some);
  }
  const { documents, time } = read;
  await hooks.afterRead?.('flush', formatNamespace(incarnation.source));
  await meter.waiting('source', () => gate.waitFor(time, signal));
  const found = new Map(
    documents.map((document) => [comparableKey(keyOf(document)).toString('latin1'), document]),
  );
  const gone: KeyPush[] = [];
  for (const { op, items } of runsOf(some, found)) {
    if (lives.nameChanges(incarnation.id) !== names) return;
    if (op === 'delete') gone.push(...items);
    else await pusher.push(lane, incarnation, op, items, time);
  }
  if (lives.nameChanges(incarnation.id) !== names) return;
  // D8: missing counts only for keys that nothing happened to up to the time of the read.
  const sure = gone.filter(({ key }) => journal.dirty.isUnchanged(incarnation.id, key));
  await pusher.push(lane, incarnation, 'delete', sure, time);
}

/** null if they are more than one reply may hold: memory would grow with them (invariant I6). */
async function readAtOnce(
  { source, meter }: MigrationContext,
  { source: namespace }: Incarnation,
  keys: readonly DirtyKey[],
): Promise<{ documents: Buffer[]; time: ClusterTime } | null> {
  const newest = keys.reduce((max, { markedAt }) => (markedAt > max ? markedAt : max), 0n);
  const documentKeys = keys.map(({ documentKey }) => documentKey);
  const documents: Buffer[] = [];
  let time: ClusterTime = newest;
  for await (const batch of meter.reading(readBack(source, namespace, documentKeys, newest))) {
    documents.push(...batch.documents);
    time = batch.time;
    if (keys.length > 1 && sizeOf(documents) > MAX_BATCH_BYTES) return null;
  }
  return { documents, time };
}

interface Run {
  readonly op: 'replace' | 'recreate' | 'delete';
  readonly items: KeyPush[];
}

/** Neighbours that are pushed in one way stay together. */
function* runsOf(
  keys: readonly DirtyKey[],
  found: ReadonlyMap<string, Buffer>,
): Generator<Run, void> {
  let run: Run | null = null;
  for (const key of keys) {
    const document = found.get(key.comparable.toString('latin1'));
    const op = operationFor(key, document);
    if (run !== null && run.op !== op) {
      yield run;
      run = null;
    }
    run ??= { op, items: [] };
    run.items.push({ key, document: document ?? key.documentKey });
  }
  if (run !== null) yield run;
}

function operationFor(key: DirtyKey, document: Buffer | undefined): Run['op'] {
  if (document === undefined) return 'delete';
  return key.recreate || !keyOf(document).equals(key.documentKey) ? 'recreate' : 'replace';
}
