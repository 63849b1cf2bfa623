import { AGENT_ENVIRONMENT_PREFIX, AGENT_OPTIONS } from '@linkspan/agent/config/options.ts';
import type { Command } from 'commander';

import { addDeclaredOptions } from '../../declaredOptions.ts';
import { untilStopped } from '../../signals.ts';
import { version } from '../../version.ts';
import { addAgentUnblock } from './unblock.ts';

/** `linkspan agent`: the migration host beside the source. */
export function addAgent(program: Command): void {
  const command = program
    .command('agent')
    .description('Run a migration host: link with a link-token, and push what the server wants.')
    .addHelpText(
      'after',
      `
The link-token comes from --link-token-file, LINKSPAN_LINK_TOKEN or standard input
(--link-token-file -), never from an argument. A host that is linked needs none. With an
admin port it may come later, from a client of Ops Manager: the port serves
POST, DELETE /api/public/v1.0/orgs/{orgId}/liveExport/migrationLink and GET …/status.`,
    )
    .action(async (flags: Record<string, unknown>) => {
      const signal = untilStopped();
      const [{ loadConfig }, { linkTokenSource }, { makeLogger, runAgent }] = await Promise.all([
        import('@linkspan/agent/config/config.ts'),
        import('@linkspan/agent/config/linkToken.ts'),
        import('@linkspan/agent/main.ts'),
      ]);
      const config = loadConfig(flags, process.env);
      const { linkTokenFile, logLevel } = config.options;
      const linkToken = linkTokenSource(linkTokenFile, process.env, process.stdin);
      const log = makeLogger(logLevel);
      await runAgent({ config, linkToken, agentVersion: version, log }, signal);
    });
  addDeclaredOptions(command, AGENT_OPTIONS, AGENT_ENVIRONMENT_PREFIX);
  addAgentUnblock(command);
}
