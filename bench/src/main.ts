import { benchCopy } from './copy.ts';
import { benchMemory } from './memory.ts';

const COMMANDS: Record<string, () => Promise<void>> = { copy: benchCopy, memory: benchMemory };

const [name = ''] = process.argv.slice(2);
const command = COMMANDS[name];
if (command === undefined) {
  console.error(`usage: npm run bench -- ${Object.keys(COMMANDS).join(' | ')}`);
  process.exitCode = 2;
} else {
  await command();
}
