import { benchCopy } from './copy.ts';
import { benchManyCollections } from './manyCollections.ts';
import { benchMemory } from './memory.ts';

const COMMANDS: Record<string, (args: readonly string[]) => Promise<void>> = {
  copy: benchCopy,
  memory: benchMemory,
  manyCollections: benchManyCollections,
};

const [name = '', ...args] = process.argv.slice(2);
const command = COMMANDS[name];
if (command === undefined) {
  console.error(`usage: npm run bench -- ${Object.keys(COMMANDS).join(' | ')}`);
  process.exitCode = 2;
} else {
  await command(args);
}
