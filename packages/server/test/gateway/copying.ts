import type { WorkReply } from '@linkspan/contract/push/work.ts';
import type { OfferedRange } from '@linkspan/contract/push/ranges.ts';
import { SESSION_HEADER } from '@linkspan/contract/push/version.ts';
import { BSON, type Document } from 'mongodb';

import { timestamp } from '../../src/domain/time.ts';
import * as migrationHosts from '../../src/store/migrationHosts.ts';
import {
  documentsBody,
  sha256,
  TestHost,
  type Answer,
  type TestPush,
  type TestSession,
} from './push.ts';

const PROJECT = '5f0000000000000000000001';

/** The source of a migration, as its row has it. */
export const SOURCE = JSON.stringify({
  projectId: PROJECT,
  clusterName: 'source',
  managedAuthentication: false,
  username: 'reader',
  ssl: false,
  caCertificatePath: null,
});

/** A host of the same link that is in touch and reads the source. */
export async function anotherHost(push: TestPush, url = push.url): Promise<TestHost> {
  const host = new TestHost(url);
  const now = timestamp();
  const deployments = [{ name: 'source' }];
  await migrationHosts.insert(push.store.db, {
    id: host.hostId,
    link_id: push.linkId,
    hostname: `${host.hostId}.example.net`,
    secret_hash: sha256(host.hostSecret),
    agent_version: '0.1.0',
    inventory: JSON.stringify([{ projectId: PROJECT, name: 'P', deployments }]),
    registered_at: now,
    heartbeat_at: now,
    unlinked_at: null,
    removing_at: null,
  });
  return host;
}

export const range = (id: number, change: Partial<OfferedRange> = {}): OfferedRange => ({
  id,
  db: 'shop',
  coll: 'orders',
  toDb: 'app',
  toColl: 'c',
  lower: null,
  upper: null,
  position: null,
  since: 5n << 32n,
  takeBack: null,
  ...change,
});

export interface Standings {
  readonly hosts: number;
  readonly copying: number;
  readonly waitedFor: bigint | null;
  readonly ranges: readonly { readonly id: number; readonly state: string }[];
}

/** A sub-lease as its host sees it. */
export class CopyingSession {
  readonly granted: Document;
  readonly #host: TestHost;
  readonly #path: string;
  #seq = 0;

  constructor(host: TestHost, sessionId: string, granted: Document) {
    this.#host = host;
    this.#path = `/sessions/${sessionId}/subLeases`;
    this.granted = granted;
  }

  get #header(): Record<string, string> {
    return { [SESSION_HEADER]: `${this.granted['id']}.${this.granted['secret']}` };
  }

  report(change: Document = {}): Promise<Answer> {
    const nothing = { position: null, documents: 0, bytes: 0, wireBytes: 0 };
    const body = BSON.serialize({ ...nothing, end: null, waitFor: null, ...change });
    return this.#host.post(`${this.#path}/report`, body, this.#header);
  }

  async documents(header: Document, documents: readonly Document[]): Promise<Answer> {
    this.#seq += 1;
    const body = await documentsBody({ seq: this.#seq, ...header }, documents);
    const headers = { ...this.#header, 'content-encoding': 'zstd' };
    return this.#host.post(`${this.#path}/documents`, body, headers);
  }
}

export async function takeRange(host: TestHost, of: TestSession): Promise<CopyingSession | null> {
  const { sessionId } = of.opened;
  const answer = await host.post(`/sessions/${sessionId}/subLeases`, BSON.serialize({}));
  if (answer.status !== 200) throw new Error(`${answer.status} ${answer.bytes.toString()}`);
  const { subLease } = BSON.deserialize(answer.bytes, { useBigInt64: true });
  return subLease === null ? null : new CopyingSession(host, sessionId, subLease as Document);
}

/** The tracking host's list of ranges, and how they stand. */
export async function sayRanges(
  session: TestSession,
  seq: number,
  ranges: readonly OfferedRange[],
  time = 10n,
): Promise<Answer> {
  const tracked = { time: time << 32n, through: true };
  return session.post(
    'ranges',
    BSON.serialize({ seq, tracked, sourceIdentity: 'replicaSet:rs0:', ranges }),
  );
}

/** What a host is to do now. */
export const workOf = async (host: TestHost): Promise<WorkReply['work']> =>
  ((await host.post('/work', { knownRevision: null, waitSeconds: 0 })).json as unknown as WorkReply)
    .work;
