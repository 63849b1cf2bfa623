import { PassThrough } from 'node:stream';

import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { InterruptedError, UsageError } from '../src/exitCodes.ts';
import { ask } from '../src/terminal.ts';

let shown: string;
beforeEach(() => {
  shown = '';
  vi.spyOn(process.stderr, 'write').mockImplementation((chunk) => {
    shown += String(chunk);
    return true;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
});

/** A terminal at which someone types this. */
function typing(keys: string) {
  const terminal = Object.assign(new PassThrough(), { isTTY: true });
  terminal.write(keys);
  return terminal;
}

test('an answer is trimmed and shown, one that is hidden is not', async () => {
  expect(await ask('Name: ', '', {}, typing(' Acme \r'))).toBe('Acme');
  expect(shown).toContain('Acme');
  shown = '';
  expect(await ask('Key: ', '', { hidden: true }, typing('secret\r'))).toBe('secret');
  expect(shown).toContain('Key: ');
  expect(shown).not.toContain('secret');
});

test('Ctrl-C interrupts, Ctrl-D answers nothing', async () => {
  await expect(ask('Sure? ', '', {}, typing('y\u0003'))).rejects.toThrow(InterruptedError);
  expect(await ask('Sure? ', '', {}, typing('\u0004'))).toBe('');
});

test('without a terminal it says what to give instead', async () => {
  const nobody = new PassThrough();
  await expect(ask('Name: ', 'give --name', {}, nobody)).rejects.toThrow(
    new UsageError('give --name'),
  );
});
