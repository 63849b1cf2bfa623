import { setTimeout as delay } from 'node:timers/promises';
import { constants, createZstdCompress, zstdCompressSync } from 'node:zlib';

import { MAX_BODY_BYTES } from '@linkspan/contract/push/version.ts';
import type { FastifyRequest } from 'fastify';
import { expect, test } from 'vitest';

import { openBody } from '../../src/gateway/body.ts';
import { ByteBudget } from '../../src/gateway/byteBudget.ts';

const MIB = 1024 * 1024;

// A gigabyte is compressed first, and a busy machine takes its time for that.
/** Zeros, so many MiB of them, compressed. */
async function bombOf(mebibytes: number, windowLog?: number): Promise<Buffer> {
  const params = windowLog === undefined ? {} : { [constants.ZSTD_c_windowLog]: windowLog };
  const compress = createZstdCompress({ params });
  const zeros = Buffer.alloc(MIB);
  const written = (async () => {
    for (let count = 0; count < mebibytes; count++) {
      if (!compress.write(zeros)) await new Promise((resolve) => compress.once('drain', resolve));
    }
    compress.end();
  })();
  const bytes = Buffer.concat(await compress.toArray());
  await written;
  return bytes;
}

const requestOf = (body: Buffer): FastifyRequest =>
  ({ body, headers: { 'content-encoding': 'zstd' } }) as unknown as FastifyRequest;

/** The most that this process has grown by while the task ran, in bytes. */
async function growthOf(task: Promise<unknown>): Promise<number> {
  const before = process.memoryUsage.rss();
  let most = before;
  let isOver = false;
  const watching = (async () => {
    while (!isOver) {
      most = Math.max(most, process.memoryUsage.rss());
      await delay(2);
    }
  })();
  await task;
  isOver = true;
  await watching;
  return most - before;
}

test('I6: kilobytes that expand to gigabytes are cut at the largest body, and the budget is whole again', async () => {
  const bomb = await bombOf(1024);
  expect(bomb.length).toBeLessThan(128 * 1024);
  // The room of a node: two of the largest bodies, nearly.
  const total = MAX_BODY_BYTES + 32 * MIB;
  const budget = new ByteBudget(total);
  const bombs = Array.from({ length: 24 }, () => openBody(requestOf(bomb), budget));
  const growth = await growthOf(Promise.allSettled(bombs));
  for (const one of bombs) await expect(one).rejects.toThrow('after decompression');
  // Without a bound it would be 24 GiB.
  expect(growth).toBeLessThan(400 * MIB);
  (await budget.acquire(total))[Symbol.dispose]();
  using body = await openBody(requestOf(await bombOf(32)), budget);
  expect(body.bytes.length).toBe(32 * MIB);
});

test('I6: a frame whose decoder would need more memory than a body is refused before that is taken', async () => {
  const budget = new ByteBudget(MAX_BODY_BYTES);
  await expect(openBody(requestOf(await bombOf(256, 27)), budget)).rejects.toThrow(
    'not valid zstd',
  );
  using body = await openBody(requestOf(await bombOf(1, 26)), budget);
  expect(body.bytes.length).toBe(MIB);
});

test('I6: what was received compressed is not kept beside what it expands to', async () => {
  const budget = new ByteBudget(MAX_BODY_BYTES);
  const compressed = requestOf(await bombOf(1));
  using body = await openBody(compressed, budget);
  expect(body.bytes.length).toBe(MIB);
  expect(compressed.body).toBeUndefined();
});

test('I6: bytes after the frame of a body are refused', async () => {
  const budget = new ByteBudget(MAX_BODY_BYTES);
  const frame = zstdCompressSync('a frame');
  for (const rest of [Buffer.alloc(32 * MIB), Buffer.alloc(1), frame]) {
    const opening = openBody(requestOf(Buffer.concat([frame, rest])), budget);
    await expect(opening.then(({ bytes }) => bytes.length)).rejects.toMatchObject({
      code: 'MESSAGE_INVALID',
    });
  }
  (await budget.acquire(MAX_BODY_BYTES))[Symbol.dispose]();
});
