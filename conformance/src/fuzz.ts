import { parseArgs } from 'node:util';
import { describeSummary } from './fuzz/report.ts';
import { fuzz } from './fuzz/run.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    only: { type: 'string' },
  },
});
const { only } = values;
const summary = await fuzz({
  seconds: Number(values.seconds),
  seed: Number(values.seed),
  ...(only === undefined ? {} : { only }),
});
console.log(describeSummary(summary));
process.exitCode = summary.findings.length > 0 ? 1 : 0;
