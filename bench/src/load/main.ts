import { parseArgs } from 'node:util';
import { type LoadOptions, load } from './run.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '6' },
    organizations: { type: 'string', default: '50' },
    agents: { type: 'string', default: '500' },
    changes: { type: 'string', default: '25' },
    sources: { type: 'string', default: '2' },
    'first-rate': { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
  },
});
const options: LoadOptions = {
  minutes: Number(values.minutes),
  organizations: Number(values.organizations),
  agents: Number(values.agents),
  changesPerSecond: Number(values.changes),
  sources: Number(values.sources),
  firstRate: Number(values['first-rate']),
  seed: values.seed,
};
const { minutes, organizations, agents, changesPerSecond, sources, firstRate } = options;
const isCount = (value: number): boolean => Number.isInteger(value) && value > 0;
if (
  !(minutes > 0 && changesPerSecond >= 0 && firstRate > 0 && agents >= organizations) ||
  ![organizations, agents, sources].every(isCount)
) {
  console.error(
    'Usage: npm run load -- [--minutes N] [--organizations N] [--agents N] [--changes N] [--sources N] [--first-rate N] [--seed S]',
  );
  process.exitCode = 2;
} else {
  await load(options, console.log);
}
