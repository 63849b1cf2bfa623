import { benchCopy } from './copy.ts';

const COMMANDS: Record<string, () => Promise<void>> = { copy: benchCopy };

const [name = ''] = process.argv.slice(2);
const command = COMMANDS[name];
if (command === undefined) {
  console.error(`usage: npm run bench -- ${Object.keys(COMMANDS).join(' | ')}`);
  process.exitCode = 2;
} else {
  await command();
}
