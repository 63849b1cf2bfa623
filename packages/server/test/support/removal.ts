import { expect } from 'vitest';
import type { Response } from './api.ts';

const ASKED_AT_MOST = 10;

/**
 * Asks again where it is told to, as a client does: on a busy machine a proof may take longer than the second
 * that these tests let a request wait for it. A removal goes on by itself after a 503.
 * @param begun the first request, where it was under way before anything could be proven: it is not told
 *   that there is nothing
 * @param gone the status of what is removed already
 */
export async function expectRemoved(
  ask: () => Promise<Response>,
  { begun, gone = 404 }: { begun?: Promise<Response>; gone?: number } = {},
): Promise<void> {
  let answer = await (begun ?? ask());
  let mayBeGone = begun === undefined;
  for (let asked = 1; answer.status === 503 && asked < ASKED_AT_MOST; asked += 1) {
    mayBeGone = true;
    answer = await ask();
  }
  expect(mayBeGone ? [204, gone] : [204], answer.text).toContain(answer.status);
}
