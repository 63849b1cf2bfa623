import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { loadConfig } from '@linkspan/agent/config/config.ts';
import { makeLogger, runAgent } from '@linkspan/agent/main.ts';

/** A migration host to run. */
export interface AgentSpec {
  readonly hostname: string;
  /** Where its state goes. */
  readonly directory: string;
  readonly linkToken: string;
  /** A file that lists what it can read. */
  readonly configFile: string;
}

/**
 * Runs any number of agents in one process: each is the agent as it is, with a state directory, an
 * identity and connections of its own. Started by `fork`; each message is a list of {@link AgentSpec}.
 * One that ends says so with its reason.
 */
const stop = new AbortController();
const log = makeLogger('error');

async function run({ hostname, directory, linkToken, configFile }: AgentSpec): Promise<void> {
  const stateDir = join(directory, hostname);
  await mkdir(stateDir, { recursive: true });
  const config = loadConfig({ config: configFile, stateDir }, {});
  const start = { config: { ...config, hostname }, agentVersion: '0.1.0', log };
  await runAgent({ ...start, linkToken: async () => linkToken }, stop.signal);
}

process.on('message', (specs: readonly AgentSpec[]) => {
  for (const spec of specs) {
    run(spec).then(
      () => undefined,
      (error: unknown) => process.send?.({ hostname: spec.hostname, ended: String(error) }),
    );
  }
});
process.once('disconnect', () => process.exit(0));
