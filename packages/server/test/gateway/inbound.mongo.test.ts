import { setTimeout as delay } from 'node:timers/promises';
import type { WorkReply } from '@linkspan/contract/push/work.ts';
import { expect, test } from 'vitest';

import { host, push, withHost } from './push.ts';
import {
  hostOfAnotherLink,
  inventory,
  LARGE,
  padded,
  untilAllIsFree,
  upload,
  type Upload,
} from './upload.ts';

withHost();

test('I6: what was set aside is free again when senders go while they wait for an answer, or for room', async () => {
  const known = await host.post('/work', { knownRevision: null, waitSeconds: 0 });
  const { revision } = known.json as unknown as WorkReply;
  const poll = padded({ knownRevision: revision, waitSeconds: 60 }, LARGE);
  for (let count = 0; count < 4; count += 1) {
    const polling = upload(push.url(), host, '/work', poll.length);
    await polling.send(poll);
    await delay(300);
    polling.socket.destroy();
  }
  await untilAllIsFree(host);

  const holding = upload(push.url(), host, '/inventory', null);
  await holding.send(Buffer.alloc(LARGE));
  const waiting = Array.from({ length: 8 }, () => upload(push.url(), host, '/inventory', LARGE));
  await delay(300);
  for (const { socket } of waiting) socket.destroy();
  holding.socket.destroy();
  await untilAllIsFree(host);
});

test('I6: bodies that do not end keep neither what is small waiting nor the bodies of another link', async () => {
  const others = [await hostOfAnotherLink(push), await hostOfAnotherLink(push)] as const;
  const answered: string[] = [];
  const ask = async (name: string, begun: Upload, bytes: Buffer): Promise<void> => {
    const [answer] = await Promise.all([begun.status, begun.send(bytes)]);
    answered.push(`${name} ${answer}`);
  };
  const endless = async (from: typeof host): Promise<Upload> => {
    const begun = upload(push.url(), from, '/inventory', null);
    await begun.send(Buffer.alloc(LARGE));
    return begun;
  };
  const large = padded(inventory, LARGE);

  const first = await endless(host);
  const own = ask('own', upload(push.url(), host, '/inventory', LARGE), large);
  await ask('of another link', upload(push.url(), others[0], '/inventory', LARGE), large);

  const second = await endless(others[0]);
  const third = ask('third', upload(push.url(), others[1], '/inventory', LARGE), large);
  for (const from of [host, ...others]) {
    expect((await from.post('/inventory', inventory)).status).toBe(204);
  }
  expect(answered, 'the rest waits').toEqual(['of another link 204']);
  first.socket.destroy();
  second.socket.destroy();
  await Promise.all([own, third]);
});
