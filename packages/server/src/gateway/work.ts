import { createHmac } from 'node:crypto';

import type {
  CopyWork,
  Namespaces,
  Source,
  Throttle,
  WorkItem,
  WorkReply,
  WorkRequest,
} from '@linkspan/contract/push/work.ts';

import * as liveMigrations from '../store/liveMigrations.ts';
import type { Sealer } from '../store/sealing.ts';
import * as validations from '../store/validations.ts';
import { UNLINKED, type HostPrincipal } from './authenticate.ts';
import type { GatewayContext } from './context.ts';
import { PushError } from './errors.ts';
import type { Look } from './looks.ts';

/**
 * The long poll: answers when the wanted state differs from the one that the host knows, or when its
 * time is over. The store is not held meanwhile (rule C14).
 * @throws {PushError} LINK_REFUSED as soon as the link is not live any more, or the host is unlinked
 */
export async function pollWork(
  context: GatewayContext,
  { host, link }: HostPrincipal,
  request: WorkRequest,
  version: number,
  gone: AbortSignal,
): Promise<WorkReply> {
  const deadline = performance.now() + request.waitSeconds * 1000;
  using poll = context.polls.enter(host.id);
  const ended = AbortSignal.any([gone, context.stopping, poll.signal]);
  for (;;) {
    using listening = context.wakes.listen(link.id);
    const look = await context.looks.of(host);
    if (!look.isLinkLive) throw new PushError('LINK_REFUSED', 'The link was removed.');
    if (!look.isHostLinked) throw new PushError('LINK_REFUSED', UNLINKED);
    const reply = listWork(context, look, version);
    const left = deadline - performance.now();
    if (reply.revision !== request.knownRevision || left <= 0 || ended.aborted) return reply;
    await listening.wait(Math.min(left, context.looks.untilNext()), ended);
  }
}

/** What agents of a version do not know they are not told, or not given. */
function listWork({ store }: GatewayContext, look: Look, version: number): WorkReply {
  const isKnown = version >= 3;
  const isGiven = (row: {
    readonly namespaces: string | null;
    readonly host_changes?: number;
  }): boolean => isKnown || (row.namespaces === null && (row.host_changes ?? 0) === 0);
  const work: WorkItem[] = [];
  for (const row of look.validations) {
    if (!isGiven(row)) continue;
    const password = validations.openPassword(store.sealer, row);
    work.push({
      kind: 'validation',
      id: row.id,
      source: sourceOf(row, password),
      ...(row.block_source_writes === 1 && isKnown && { blockSourceWrites: true }),
      ...namespacesOf(row),
    });
  }
  for (const row of look.liveMigrations) {
    if (!isGiven(row)) continue;
    const password = liveMigrations.openPassword(store.sealer, row);
    const wanted = row.cutover_attempt > row.cutover_failed_attempt;
    work.push({
      kind: 'migration',
      id: row.id,
      source: sourceOf(row, password),
      cutoverAttempt: wanted ? row.cutover_attempt : 0,
      paused: row.paused_at !== null,
      ...(row.block_source_writes === 1 && isKnown && { blockSourceWrites: true }),
      ...(row.write_block_host_id !== null &&
        row.write_block_host_id !== row.host_id &&
        isKnown && { writeBlockLeft: true as const }),
      ...namespacesOf(row),
      ...(row.throttle !== null && isKnown && { throttle: JSON.parse(row.throttle) as Throttle }),
      ...(row.host_changes > 0 && { hostChanges: row.host_changes }),
      ...(row.verify_attempt > 0 && isKnown && { verifyAttempt: row.verify_attempt }),
      ...(row.repair_attempt > 0 && isKnown && { repairAttempt: row.repair_attempt }),
      ...(row.cutover_verification === 'FULL' &&
        isKnown && { cutoverVerification: 'FULL' as const }),
    });
  }
  if (isKnown) work.push(...listCopies(store.sealer, look));
  // The list holds passwords: without the key nothing can be guessed from it. All nodes have the same.
  const [key] = store.sealer.deriveKeys('work revisions');
  const revision = createHmac('sha256', key).update(JSON.stringify(work)).digest('hex');
  return { revision, work };
}

/** The migrations of other hosts of which this one may copy ranges. */
function listCopies(sealer: Sealer, { offerings }: Look): CopyWork[] {
  const work: CopyWork[] = [];
  for (const { sessionId, migration } of offerings) {
    const source = sourceOf(migration, liveMigrations.openPassword(sealer, migration));
    const throttle = migration.throttle;
    work.push({
      kind: 'copy',
      id: sessionId,
      migrationId: migration.id,
      source,
      ...(throttle !== null && { throttle: JSON.parse(throttle) as Throttle }),
    });
  }
  return work;
}

function namespacesOf({ namespaces }: { readonly namespaces: string | null }) {
  return namespaces === null ? {} : { namespaces: JSON.parse(namespaces) as Namespaces };
}

function sourceOf(row: { readonly source: string }, password: string | null): Source {
  return { ...(JSON.parse(row.source) as Omit<Source, 'password'>), password };
}
