import { Command } from 'commander';
import { expect, test } from 'vitest';

import { UsageError } from '../src/exitCodes.ts';
import { namespaceOptions, type NamespaceOptions, namespacesOf } from '../src/namespaceOptions.ts';

const read = (...args: string[]) =>
  namespacesOf(
    namespaceOptions(new Command()).parse(args, { from: 'user' }).opts<NamespaceOptions>(),
  );

test('flags are repeated, and absent ones say nothing', () => {
  expect(read()).toBeUndefined();
  expect(read('--include', 'shop', '--include', 'logs.*, all')).toEqual({
    include: ['shop', 'logs.*, all'],
  });
  expect(read('--exclude', '*.tmp', '--rename', 'shop=store', '--rename', 'a.x=b.y')).toEqual({
    exclude: ['*.tmp'],
    rename: [
      { from: 'shop', to: 'store' },
      { from: 'a.x', to: 'b.y' },
    ],
  });
});

test('a name with an equals sign is written with a backslash before it', () => {
  expect(read('--rename', String.raw`a.x\=y=b.z\=1`)).toEqual({
    rename: [{ from: 'a.x=y', to: 'b.z=1' }],
  });
});

test.each(['shop', '=store', 'shop=', String.raw`shop\=store`])('%s is no rename', (text) => {
  expect(() => read('--rename', text)).toThrow(UsageError);
});
