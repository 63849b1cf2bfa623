import { setTimeout as delay } from 'node:timers/promises';
import type { ApiResponse } from '@linkspan/cli/api/authentication.ts';
import {
  type LinkedNodes,
  type ServerNode,
  startLinkedNodes,
} from '@linkspan/testkit/linkedNodes.ts';
import { DESTINATION_CLUSTER, type StartOptions } from '@linkspan/testkit/migrationCalls.ts';
import { hasPostgreSQL, NO_POSTGRESQL } from '@linkspan/testkit/postgresql.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectNothingAfter, inMidCopy, loadRows, MANY_ROWS } from './rows.ts';

const QUIET_MS = 1000;
const ASKED_AT_MOST = 5;
/** How often to look whether the network holds something before it is tried again. */
const LOOKS_AT_ONCE = 200;
/** Documents a second: where the network is to hold writes up, it must not have carried all of them already. */
const STEADY = { documentsPerSecond: 3000 };
const FIRST = '2023-01-01';

/** A removal in the middle of a copy: one node holds the push, another one is asked. */
interface Removal {
  readonly holder: ServerNode;
  readonly other: ServerNode;
  /** DELETE, to the other node. */
  readonly remove: () => Promise<ApiResponse<{ detail?: string }>>;
}

describe.skipIf(!hasPostgreSQL())(
  hasPostgreSQL() ? 'removal on several nodes' : `removal on several nodes: ${NO_POSTGRESQL}`,
  () => {
    let all: LinkedNodes;
    const latencies: string[] = [];
    beforeAll(async () => {
      all = await startLinkedNodes();
      await loadRows(all, MANY_ROWS);
    });
    afterAll(async () => {
      await all?.[Symbol.asyncDispose]();
      // For the table in docs/05-measurements.md.
      for (const line of latencies) process.stdout.write(`revocation: ${line}\n`);
    });

    /** Runs a case in mid-copy; whatever it did to the nodes, they are well after it. */
    async function inMidPush(
      run: (removal: Removal) => Promise<void>,
      throttled: Pick<StartOptions, 'throttle'> = {},
    ): Promise<void> {
      await all.destination.client().db('app').dropDatabase();
      await using agent = await all.link();
      const id = await all.start({ dropDestinationData: true, ...throttled });
      await inMidCopy(all, 1000, MANY_ROWS);
      const { holder, other } = await all.holderOf(id);
      const remove = () => other.api.delete<{ detail?: string }>(linkTokens(), { version: FIRST });
      try {
        await run({ holder, other, remove });
      } finally {
        await all.network.heal();
        await holder.store.heal();
      }
      expect(await all.describe(id)).toMatchObject({ status: 'FAILED' });
      await agent.kill();
    }

    /** Runs a case while documents that the holder has sent are still on the network. */
    async function withWritesHeld(
      fault: 'freeze' | 'hold',
      run: (removal: Removal) => Promise<void>,
    ): Promise<void> {
      const held = async (removal: Removal): Promise<void> => {
        // A network that froze while an answer was awaited is given nothing more.
        for (let looks = 0; all.network.held < 10_000; looks++) {
          if (looks % LOOKS_AT_ONCE === 0) {
            await all.network.heal();
            all.network[fault]();
          }
          await delay(5);
        }
        await run(removal);
      };
      await inMidPush(held, { throttle: STEADY });
    }

    /**
     * Asks again where it is told to, as a client does: a lease and a proof take their time on a busy
     * machine. A removal goes on by itself after a 503, so that the link may be gone by then, which is 404.
     * @param before a 503 was answered before
     */
    async function expectRemoved(
      what: string,
      { remove }: Removal,
      before: 'refused' | null = null,
    ): Promise<void> {
      const began = performance.now();
      const statuses: number[] = [];
      do statuses.push((await remove()).status);
      while (statuses.at(-1) === 503 && statuses.length < ASKED_AT_MOST);
      const wasRefused = before !== null || statuses.length > 1;
      expect(wasRefused ? [204, 404] : [204], what).toContain(statuses.at(-1));
      latencies.push(`${what}: ${Math.round(performance.now() - began)} ms`);
    }

    /**
     * 503, which names the cluster; POST is refused meanwhile. A node that came to stand still in the midst
     * of a transaction holds a lock of the store, until PostgreSQL ends that: then it is asked again.
     */
    async function expectUnproven({ other, remove }: Removal): Promise<void> {
      let refused = await remove();
      for (let asked = 1; asked < ASKED_AT_MOST && isOfStore(refused.body); asked += 1) {
        refused = await remove();
      }
      expect(refused.status).toBe(503);
      expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
      expect(refused.body.detail).toContain(DESTINATION_CLUSTER);
      expect((await makeToken(other)).status).toBe(409);
    }

    const isOfStore = ({ detail = '' }: { detail?: string }) =>
      detail.startsWith('The store does not answer');

    const linkTokens = () => `/api/atlas/v2/orgs/${all.orgId}/liveMigrations/linkTokens`;

    const makeToken = ({ api }: ServerNode) =>
      api.post(linkTokens(), { version: FIRST, body: { accessListIps: [] } });

    async function stateAt({ api }: ServerNode): Promise<string> {
      const path = `/api/linkspan/v1/orgs/${all.orgId}/liveMigrations/link`;
      return (await api.get<{ state: string }>(path)).body.state;
    }

    async function untilState(node: ServerNode, state: string): Promise<void> {
      while ((await stateAt(node)) !== state) await delay(20);
    }

    /** API keys that belong to a link. */
    async function linkKeysAt({ api }: ServerNode): Promise<number> {
      const path = `/api/atlas/v2/orgs/${all.orgId}/apiKeys`;
      const { body } = await api.get<{ results: { desc: string }[] }>(path, { version: FIRST });
      return body.results.filter(({ desc }) => desc.startsWith('Organization link')).length;
    }

    async function removalsSoFar({ api }: ServerNode): Promise<number> {
      const path = `/api/atlas/v2/orgs/${all.orgId}/events`;
      const query = { eventType: 'LIVE_MIGRATION_LINK_TOKEN_DELETED', includeCount: true };
      const { body } = await api.get<{ totalCount: number }>(path, { version: FIRST, query });
      return body.totalCount;
    }

    it('C1, C2: with the holder healthy, DELETE on another node stops the push dead', async () => {
      await inMidPush(async (removal) => {
        await expectRemoved('holder healthy', removal);
        await expectNothingAfter(all, QUIET_MS);
      });
    });

    it('C2: with the holder killed, the lease is waited for, then its connections are gone', async () => {
      await inMidPush(async (removal) => {
        await removal.holder.server.kill();
        await expectRemoved('holder killed', removal);
        await expectNothingAfter(all, QUIET_MS, () => removal.holder.server.restart());
      });
    });

    it('C14: with the holder cut off from PostgreSQL, it stops by its own clock', async () => {
      await inMidPush(async (removal) => {
        removal.holder.store.freeze();
        await expectRemoved('holder cut off from PostgreSQL', removal);
        await expectNothingAfter(all, QUIET_MS, () => removal.holder.store.heal());
      });
    });

    it('I5, C14: a holder that stands still writes nothing once it goes on', async () => {
      await inMidPush(async (removal) => {
        const { server } = removal.holder;
        server.suspend();
        if (!all.destination.capabilities.transactionOrder) {
          // No proof while the destination lists its connections.
          await expectUnproven(removal);
          all.network.cut();
        }
        await expectRemoved('holder standing still, its connections cut', removal, 'refused');
        await expectNothingAfter(all, 2 * QUIET_MS, async () => server.resume());
      });
    });

    it('C3: with a destination that does not answer it is 503, and once it answers 204', async () => {
      await withWritesHeld('freeze', async (removal) => {
        await expectUnproven(removal);
        await all.network.heal();
        await expectRemoved('destination that answers again', removal, 'refused');
        await expectNothingAfter(all, QUIET_MS);
      });
    });

    it('C1, C3: of DELETEs on two nodes at once and POSTs that race with them there is never a second key', async () => {
      await inMidPush(async ({ holder, other }) => {
        const both = [holder, other];
        const before = await removalsSoFar(other);
        const began = performance.now();
        const removals = both.map(async ({ api }) => {
          for (;;) {
            const { status } = await api.delete(linkTokens(), { version: FIRST });
            if (status === 503) continue;
            latencies.push(`two DELETEs at once: ${Math.round(performance.now() - began)} ms`);
            return status;
          }
        });
        let made = 0;
        const posts = both.map(async (node) => {
          while (made === 0) {
            const { status } = await makeToken(node);
            if (status === 201) made += 1;
            else expect(status).toBe(409);
            expect(await linkKeysAt(node)).toBeLessThanOrEqual(1);
          }
        });
        await Promise.race(removals);
        await expectNothingAfter(all, QUIET_MS);
        const statuses = await Promise.all(removals);
        expect(statuses).toContain(204);
        for (const status of statuses) expect([204, 404]).toContain(status);
        await Promise.all(posts);
        // One removed the first link; the other one the same, or came so late that it found the next.
        const removed = (await removalsSoFar(other)) - before;
        const left = 1 + made - removed;
        expect([0, 1]).toContain(left);
        expect(await linkKeysAt(other)).toBe(left);
        const last = await other.api.delete(linkTokens(), { version: FIRST });
        expect(last.status).toBe(left === 1 ? 204 : 404);
      });
    });

    /** DELETE, on its way while the destination answers nothing. */
    async function withRemovalUnderWay(
      run: (removal: Removal, leave: AbortController, asked: Promise<unknown>) => Promise<void>,
    ): Promise<void> {
      await withWritesHeld('freeze', async (removal) => {
        const leave = new AbortController();
        const options = { version: FIRST, signal: leave.signal };
        const asked = removal.other.api.delete(linkTokens(), options).catch(() => 'no answer');
        await untilState(removal.holder, 'REMOVING');
        await run(removal, leave, asked);
      });
    }

    it('C3: a DELETE whose client goes away is finished all the same', async () => {
      await withRemovalUnderWay(async ({ holder }, leave, asked) => {
        leave.abort();
        expect(await asked).toBe('no answer');
        expect((await makeToken(holder)).status).toBe(409);
        const began = performance.now();
        await all.network.heal();
        await untilState(holder, 'NONE');
        latencies.push(`client gone: ${Math.round(performance.now() - began)} ms`);
        await expectNothingAfter(all, QUIET_MS);
      });
    });

    it('C2, C3: all nodes killed in the midst of a removal, which goes on once they run again', async () => {
      await withRemovalUnderWay(async (removal, _leave, asked) => {
        await Promise.all(all.nodes.map(({ server }) => server.kill()));
        expect(await asked).toBe('no answer');
        await Promise.all(all.nodes.map(({ server }) => server.restart()));
        expect(await stateAt(removal.other)).toBe('REMOVING');
        // What the killed holder had sent comes through now.
        await all.network.heal();
        await expectRemoved('all nodes killed and started again', removal, 'refused');
        await expectNothingAfter(all, QUIET_MS);
        expect(await linkKeysAt(removal.other)).toBe(0);
      });
    });

    /** The holder's last writes are on the network, and it dies. */
    async function withHeldWrites(run: (removal: Removal) => Promise<void>): Promise<void> {
      await withWritesHeld('hold', async (removal) => {
        await removal.holder.server.kill();
        await run(removal);
        await removal.holder.server.restart();
      });
    }

    it('D14: what the network holds back until after the 204 is refused by the fence', async (context) => {
      if (!all.destination.capabilities.transactionOrder) {
        context.skip('needs a destination that enforces the order of transaction numbers');
      }
      await withHeldWrites(async (removal) => {
        await expectRemoved('last write held back by the network', removal);
        await expectNothingAfter(all, QUIET_MS, () => all.network.heal());
      });
    });

    it('C2, C4: without the fence there is no 204 while the destination lists the connections', async (context) => {
      if (all.destination.capabilities.transactionOrder) {
        context.skip('needs a destination that does not enforce the order of transaction numbers');
      }
      await withHeldWrites(async (removal) => {
        await expectUnproven(removal);
        await all.network.heal();
        await expectRemoved('last write let through by the network', removal, 'refused');
        await expectNothingAfter(all, QUIET_MS);
      });
    });
  },
);
