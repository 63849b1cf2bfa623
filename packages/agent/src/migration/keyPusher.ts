import { setTimeout as sleep } from 'node:timers/promises';
import type { WriteOperation } from '@linkspan/contract/push/batch.ts';
import type { DocumentsReply } from '@linkspan/contract/push/session.ts';
import { formatNamespace } from '@linkspan/contract/push/namespaces.ts';
import type { ClusterTime } from '../journal/clusterTime.ts';
import type { DirtyKey } from '../journal/dirtyKeys.ts';
import type { Incarnation } from '../journal/incarnations.ts';
import { acceptedOf } from '../push/pusher.ts';
import { sizeOf } from '../source/cutBySize.ts';
import type { MigrationContext } from './context.ts';
import { targetOf } from './content.ts';
import { KeyRefusals } from './keyRefusals.ts';
import { DUPLICATE_KEY, makeWay } from './uniqueConflict.ts';

const REFUSED_PAUSE_MS = 250;

/** What is pushed for a key: its document, or the key itself for a delete. */
export interface KeyPush {
  readonly key: DirtyKey;
  readonly document: Buffer;
}

/** The flush's way to the destination: pushes, takes keys out of the journal, and notes refusals. */
export class KeyPusher {
  readonly #context: MigrationContext;
  readonly refusals: KeyRefusals;

  constructor(context: MigrationContext) {
    this.#context = context;
    this.refusals = new KeyRefusals(context);
  }

  /**
   * Pushes in the order given, as long as the collection has the name that it has now: a drop or rename
   * waits for what is under way, and not for all that a throttle holds back (rule D16).
   * @param readAt what is pushed is the state of this time
   * @throws {MigrationFailedError} if a document goes on being refused
   */
  async push(
    lane: number,
    incarnation: Incarnation,
    op: WriteOperation,
    items: readonly KeyPush[],
    readAt: ClusterTime,
  ): Promise<void> {
    const { journal, pusher, signal, inFlight, meter, throttle, lives } = this.#context;
    const { id } = incarnation;
    const names = lives.nameChanges(id);
    const target = targetOf(incarnation);
    if (target === null) return;
    let at = 0;
    for (const documents of throttle.cut(items.map(({ document }) => document))) {
      const keys = items.slice(at, at + documents.length).map(({ key }) => key);
      at += documents.length;
      const bytes = sizeOf(documents);
      await meter.waiting('throttle', () => throttle.take(documents.length, bytes, signal));
      if (lives.nameChanges(id) !== names) return;
      await meter.waiting('push', () => inFlight.acquire(bytes, signal));
      try {
        const batch = { op, ...target, lane, documents } as const;
        const reply = await meter.waiting('push', () =>
          meter.pushing(documents, () => pusher.pushDocuments(batch, signal)),
        );
        const accepted = acceptedOf(keys, reply);
        journal.transaction(() => {
          journal.dirty.evict(id, accepted, readAt);
          journal.keysToVerify.pushed(id, accepted);
          journal.addFlushed(accepted.length);
        });
        this.refusals.accepted(id, accepted);
        if (incarnation.capped === null) await this.#noteRefusals(incarnation, keys, reply);
        else this.#leaveToRecopy(incarnation, op, keys, reply, readAt);
      } finally {
        inFlight.release(bytes);
      }
    }
  }

  /**
   * Not every server lets documents of a capped collection be deleted or grow (rule D12). What the source
   * has evicted, the destination evicts, too; where anything else was refused, all of it is compared, and
   * copied again if it differs.
   */
  #leaveToRecopy(
    { id, source }: Incarnation,
    op: WriteOperation,
    keys: readonly DirtyKey[],
    { failures }: DocumentsReply,
    readAt: ClusterTime,
  ): void {
    if (failures.length === 0) return;
    const { journal, log, work } = this.#context;
    const refused = failures.flatMap(({ index }) => keys[index] ?? []);
    const [first] = failures;
    log.warn(
      { namespace: formatNamespace(source), refused: refused.length, reason: first?.message },
      'changes of a capped collection were refused',
    );
    journal.transaction(() => {
      journal.dirty.evict(id, refused, readAt);
      journal.keysToVerify.pushed(id, refused);
      if (op === 'delete') return;
      journal.incarnations.update(id, { toRepair: true });
      journal.verifications.restart(id);
    });
    work.notify();
  }

  async #noteRefusals(
    incarnation: Incarnation,
    keys: readonly DirtyKey[],
    { failures }: DocumentsReply,
  ): Promise<void> {
    if (failures.length === 0) return;
    for (const failure of failures) {
      const key = keys[failure.index];
      if (key === undefined) continue;
      const isConflict = failure.code === DUPLICATE_KEY;
      const holder = isConflict ? makeWay(this.#context, incarnation, key, failure) : null;
      this.refusals.note(incarnation, key, failure.message, holder);
    }
    await sleep(REFUSED_PAUSE_MS, undefined, { signal: this.#context.signal });
  }
}
