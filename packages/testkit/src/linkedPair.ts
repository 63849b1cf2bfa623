import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type DestinationSide,
  type DestinationSideOptions,
  startDestinationSide,
} from './destinationSide.ts';
import { expectBody, MIGRATION_HOST, SOURCE_DEPLOYMENT, SOURCE_PROJECT } from './migrationCalls.ts';
import { type LinkspanProcess, startAgent } from './processes.ts';

export interface LinkedPairOptions extends DestinationSideOptions {
  readonly agentEnv?: Readonly<Record<string, string>>;
  /** The agent may block the writes of the source. */
  readonly allowWriteBlock?: boolean;
  /** Where the agent keeps its state; in the pair's directory if absent. */
  readonly agentStateDir?: string;
}

/** With an agent that is linked: everything that a live migration needs. */
export interface LinkedPair extends DestinationSide {
  readonly agent: LinkspanProcess;
}

/** @throws {Error} naming the step that failed and what it said */
export async function startLinkedPair(options: LinkedPairOptions = {}): Promise<LinkedPair> {
  await using resources = new AsyncDisposableStack();
  const side = resources.use(await startDestinationSide(options));
  const config = join(side.directory, 'agent.yaml');
  const isBlocking = options.allowWriteBlock === true;
  await writeFile(config, agentConfiguration(side.sourceUri, isBlocking));
  const stateDir = options.agentStateDir ?? join(side.directory, 'agent');
  const directory = join(side.directory, 'agent-process');
  await mkdir(directory);
  const agent = resources.use(
    await startAgent({
      args: ['--config', config, '--state-dir', stateDir],
      directory,
      env: { ...options.agentEnv, LINKSPAN_LINK_TOKEN: side.linkToken },
    }),
  );
  const owned = resources.move();
  return { ...side, agent, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** A further migration host on the link of a pair, with a token and a state directory of its own. */
export interface FurtherHost extends AsyncDisposable {
  readonly hostname: string;
  readonly stateDir: string;
  readonly agent: LinkspanProcess;
}

/**
 * Starts an agent that links with a token for another host and can read the same deployment.
 * @throws {Error} naming the step that failed and what it said
 */
export async function startFurtherHost(
  pair: LinkedPair,
  hostname: string,
  env: Readonly<Record<string, string>> = {},
): Promise<FurtherHost> {
  const path = `/api/linkspan/v1/orgs/${pair.orgId}/liveMigrations/link/hosts`;
  const { linkToken } = await expectBody<{ linkToken: string }>(pair.api.post(path, { body: {} }));
  const directory = join(pair.directory, hostname);
  await mkdir(directory);
  const config = join(directory, 'agent.yaml');
  await writeFile(config, agentConfiguration(pair.sourceUri, false, hostname));
  const stateDir = join(directory, 'state');
  const agent = await startAgent({
    args: ['--config', config, '--state-dir', stateDir],
    directory,
    env: { ...env, LINKSPAN_LINK_TOKEN: linkToken },
  });
  return { hostname, stateDir, agent, [Symbol.asyncDispose]: () => agent.stop() };
}

/** JSON is YAML. */
export function agentConfiguration(
  uri: string,
  allowWriteBlock: boolean,
  hostname = MIGRATION_HOST,
): string {
  const deployments = [{ name: SOURCE_DEPLOYMENT, uri, allowWriteBlock }];
  const projects = [{ id: SOURCE_PROJECT, name: 'Tests', deployments }];
  return JSON.stringify({ hostname, projects });
}
