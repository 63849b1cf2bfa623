import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { torture, TortureFailedError } from './run.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '5' },
    seed: { type: 'string' },
    faults: { type: 'string' },
    logs: { type: 'string', default: 'torture-logs' },
  },
});
const minutes = Number(values.minutes);
const seed = values.seed ?? String(randomInt(1_000_000_000));
const faults = values.faults === undefined ? Math.ceil(minutes * 5) : Number(values.faults);
if (!(minutes > 0) || !Number.isInteger(faults) || faults < 0) {
  process.stderr.write(
    'Usage: npm run torture -- --minutes N [--seed S] [--faults N] [--logs DIR]\n',
  );
  process.exit(2);
}

const print = (line: string): void => void process.stdout.write(`${line}\n`);
print(`seed ${seed}, ${minutes} minutes, ${faults} faults`);
try {
  const figures = await torture({
    seed,
    seconds: minutes * 60,
    faults,
    say: print,
    logDirectory: values.logs,
  });
  print(figures.toString());
} catch (error) {
  if (!(error instanceof TortureFailedError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
