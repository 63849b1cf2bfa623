import { setTimeout as delay } from 'node:timers/promises';
import { compareClusters } from '@linkspan/testkit/compare.ts';
import { type LinkedNodes, startLinkedNodes } from '@linkspan/testkit/linkedNodes.ts';
import { hasPostgreSQL, NO_POSTGRESQL } from '@linkspan/testkit/postgresql.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inMidCopy, loadRows, STEADILY } from './rows.ts';
import { Writer } from './writer.ts';

describe.skipIf(!hasPostgreSQL())(
  hasPostgreSQL() ? 'several nodes' : `several nodes: ${NO_POSTGRESQL}`,
  () => {
    let all: LinkedNodes;
    beforeAll(async () => {
      all = await startLinkedNodes();
      await loadRows(all);
      await all.link();
    });
    afterAll(() => all?.[Symbol.asyncDispose]());

    /** Until the application has written some more, and the migration's session is at another node. */
    async function untilTakenOver(id: string, lost: string, writer: Writer): Promise<void> {
      const { rounds } = writer;
      for (;;) {
        const { holder } = await all.holderOf(id);
        if (holder.url !== lost && writer.rounds > rounds + 20) return;
        await delay(50);
      }
    }

    async function finish(id: string, writer: Writer): Promise<void> {
      await all.until(id, 'ready', ({ readyForCutover }) => readyForCutover, 120_000);
      await writer.stop();
      await all.cutOver(id);
      const { differences } = await compareClusters(all.source.uri, all.destination.uri);
      expect(differences).toEqual([]);
    }

    it('I3: a migration goes on when its node is killed in mid-copy, and again in mid-tail', async () => {
      const id = await all.start({ dropDestinationData: true, ...STEADILY });
      await inMidCopy(all, 1000);
      const first = (await all.holderOf(id)).holder;
      const writer = new Writer(all.source.client(), 'app', 'rows');
      await first.server.kill();
      await untilTakenOver(id, first.url, writer);
      await all.unthrottle(id);
      await first.server.restart();
      await all.until(id, 'tailing', ({ progress }) => progress?.phase === 'TAILING', 120_000);
      const second = (await all.holderOf(id)).holder;
      await second.server.kill();
      await untilTakenOver(id, second.url, writer);
      await second.server.restart();
      await finish(id, writer);
    });

    it('I5: a node that stands still is replaced, and no migration fails while nodes are restarted in turn', async () => {
      const id = await all.start({ dropDestinationData: true });
      const writer = new Writer(all.source.client(), 'app', 'rows');
      const { holder } = await all.holderOf(id);
      holder.server.suspend();
      // Where the fence is not enforced, its connections have to be gone.
      all.network.cut();
      await untilTakenOver(id, holder.url, writer);
      holder.server.resume();
      for (const { server } of all.nodes) {
        const { pid } = server;
        process.kill(pid, 'SIGTERM');
        expect(await server.exited).toBe(0);
        await server.restart();
      }
      await finish(id, writer);
    });
  },
);
