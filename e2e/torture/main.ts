import { randomInt } from 'node:crypto';
import { parseArgs } from 'node:util';
import { torture, TortureFailedError } from './run.ts';

/** Of one migration: then the next one begins, so that copies are struck, too. */
const LONGEST_MINUTES = 2;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '5' },
    seed: { type: 'string' },
    only: { type: 'string' },
    faults: { type: 'string' },
    hosts: { type: 'string', default: '1' },
    logs: { type: 'string', default: 'torture-logs' },
  },
});
const minutes = Number(values.minutes);
const seed = values.seed ?? String(randomInt(1_000_000_000));
const faults = values.faults === undefined ? Math.ceil(minutes * 5) : Number(values.faults);
const count = values.only === undefined ? Math.max(1, Math.round(minutes / LONGEST_MINUTES)) : 1;
const seeds =
  values.only === undefined
    ? Array.from({ length: count }, (_, n) => `${seed}.${n}`)
    : [values.only];
const hosts = values.hosts === '1' ? 1 : 2;
if (!(minutes > 0) || !Number.isInteger(faults) || faults < 0 || String(hosts) !== values.hosts) {
  process.stderr.write(
    'Usage: npm run torture -- --minutes N [--seed S | --only SEED_OF_ONE] [--faults N] [--hosts 1|2] [--logs DIR]\n',
  );
  process.exit(2);
}

const print = (line: string): void => void process.stdout.write(`${line}\n`);
print(`${values.only ?? `seed ${seed}`}, ${minutes} minutes, ${faults} faults`);
try {
  const figures = await torture({
    seeds,
    seconds: (minutes * 60) / count,
    faults: Math.ceil(faults / count),
    hosts,
    say: print,
    logDirectory: values.logs,
  });
  print(figures.toString());
} catch (error) {
  if (!(error instanceof TortureFailedError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
// Node was seen to spin for ever in closing handles once everything was done, after cut connections.
process.exit();
