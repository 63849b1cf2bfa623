import { randomBytes } from 'node:crypto';

import {
  isTracked,
  RANGES_WAIT_MS,
  SUB_LEASE_WAIT_MS,
  type RangesReply,
  type SubLeaseReply,
  type SubLeaseReportReply,
} from '@linkspan/contract/push/ranges.ts';
import { BSON } from 'mongodb';

import { newId } from '../domain/ids.ts';
import { canRead, isInTouch, type SourceDeployment } from '../operations/hostChoice.ts';
import * as links from '../store/links.ts';
import * as liveMigrations from '../store/liveMigrations.ts';
import * as migrationHosts from '../store/migrationHosts.ts';
import * as subLeases from '../store/subLeases.ts';
import { hashOf, UNLINKED, type HostPrincipal } from './authenticate.ts';
import type { SubLeaseClaim } from './claims.ts';
import type { GatewayContext } from './context.ts';
import { PushError } from './errors.ts';
import { MIGRATION_ENDED, LINK_REMOVED } from './leases.ts';
import { readRanges, readReport } from './rangeMessages.ts';
import type { PushSession } from './session.ts';
import { SUB_LEASE_OVER, SubLease } from './subLease.ts';

/**
 * The tracking host's list of offered ranges, and how they stand. @throws {PushError} MESSAGE_INVALID,
 * LANE_STALE, or why the session refuses
 */
export async function exchangeRanges(
  context: GatewayContext,
  session: PushSession,
  body: Buffer,
): Promise<Uint8Array> {
  const request = readRanges(body);
  session.check();
  const { ranges } = session;
  ranges.apply(request, (namespace) => session.owns(namespace));
  const announce = (): Promise<void> =>
    ranges.announce(session.identity.id, () => context.announce(session.identity.linkId));
  await announce();
  const until = performance.now() + (request.ranges.length === 0 ? 0 : RANGES_WAIT_MS);
  for (;;) {
    const { version } = ranges;
    await ranges.settle();
    session.check();
    const left = until - performance.now();
    if (ranges.takeNews() || left <= 0) break;
    await ranges.changed(version, left, session.refused);
  }
  // The tracking host has nothing to say any more once it has heard that the last one is over.
  await announce();
  const reply: RangesReply = {
    hosts: await ranges.helpers(() => countHelpers(context, session)),
    copying: ranges.hosts().size,
    waitedFor: ranges.waitedFor,
    ranges: ranges.standings(),
  };
  return BSON.serialize(reply);
}

/** Takes one of the ranges that are offered. @throws {PushError} */
export async function takeRange(
  context: GatewayContext,
  { host, link }: HostPrincipal,
  session: PushSession,
): Promise<Uint8Array> {
  const { store } = context;
  const { ranges } = session;
  const range = ranges.free();
  if (range === undefined) return BSON.serialize({ subLease: null } satisfies SubLeaseReply);
  const secret = randomBytes(32).toString('hex');
  const identity = { id: newId(), hostId: host.id, secretHash: hashOf(secret) };
  const lease = new SubLease(identity, range.target, () => ranges.note());
  range.lease = lease;
  try {
    await store.transaction(async (tx) => {
      if ((await links.findForShare(tx, link.id))?.state !== 'LINKED') throw LINK_REMOVED;
      const current = await migrationHosts.find(tx, host.id);
      if (current === undefined || current.unlinked_at !== null) {
        throw new PushError('LINK_REFUSED', UNLINKED);
      }
      const migration = await liveMigrations.find(tx, session.identity.migrationId);
      if (migration === undefined || !canRead(current, sourceOf(migration))) throw MIGRATION_ENDED;
      const row = { id: lease.id, session_id: session.identity.id, host_id: host.id };
      await subLeases.insert(tx, row);
    });
  } catch (error) {
    lease.end('RETURNED');
    throw error;
  }
  if (range.lease !== lease || session.isRefusing) {
    // Ended meanwhile, before the store had it.
    await subLeases.remove(store.db, [lease.id]);
    session.check();
    throw SUB_LEASE_OVER;
  }
  lease.renew();
  ranges.note();
  const { id: _, takeBack: __, ...toCopy } = range.offer;
  const { sourceIdentity } = ranges;
  const subLease = { ...toCopy, id: lease.id, secret, sourceIdentity };
  return BSON.serialize({ subLease } satisfies SubLeaseReply);
}

/**
 * A host says how far it has copied its range, and waits until what it has read is tracked.
 * @throws {PushError} SUB_LEASE_ENDED, MESSAGE_INVALID, or why the session refuses
 */
export async function reportRange(
  { session, range, lease }: SubLeaseClaim,
  body: Buffer,
): Promise<Uint8Array> {
  const { end, waitFor, ...copied } = readReport(body);
  const { ranges } = session;
  lease.renew();
  // One that was sent before may come late.
  if (copied.documents >= range.copied.documents) {
    range.copied = { ...copied, position: copied.position ?? range.copied.position };
  }
  lease.waitsFor = waitFor;
  if (end !== null) lease.end(end);
  if (end !== null || (waitFor !== null && !isTracked(waitFor, ranges.tracked))) ranges.note();
  const until = performance.now() + SUB_LEASE_WAIT_MS;
  for (;;) {
    const { version, tracked } = ranges;
    session.check();
    if (end === null) lease.check();
    const left = until - performance.now();
    if (end !== null || waitFor === null || isTracked(waitFor, tracked) || left <= 0) break;
    await ranges.changed(version, left, session.refused);
  }
  const reply: SubLeaseReportReply = { tracked: ranges.tracked, copying: ranges.hosts().size };
  return BSON.serialize(reply);
}

/** Other hosts of the link that could copy ranges. */
async function countHelpers({ store }: GatewayContext, session: PushSession): Promise<number> {
  const { linkId, hostId, migrationId } = session.identity;
  const migration = await liveMigrations.find(store.db, migrationId);
  if (migration === undefined) return 0;
  const source = sourceOf(migration);
  const now = new Date();
  return (await migrationHosts.listByLink(store.db, linkId)).filter(
    (host) => host.id !== hostId && isInTouch(host, now) && canRead(host, source),
  ).length;
}

function sourceOf({ source }: { readonly source: string }): SourceDeployment {
  return JSON.parse(source) as SourceDeployment;
}
