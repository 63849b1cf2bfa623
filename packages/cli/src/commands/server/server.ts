import { SERVER_ENVIRONMENT_PREFIX, SERVER_OPTIONS } from '@linkspan/server/config/options.ts';
import type { Command } from 'commander';

import { addDeclaredOptions } from '../../declaredOptions.ts';
import { untilStopped } from '../../signals.ts';

/** `linkspan server`: the API, and the side that agents push to. */
export function addServer(program: Command): void {
  const command = program
    .command('server')
    .description(
      'Run the server: the API, the gateway of the agents, the writer into destinations.',
    )
    .action(async (flags: Record<string, unknown>) => {
      const signal = untilStopped();
      const { loadConfig } = await import('@linkspan/server/config/config.ts');
      const config = loadConfig(flags, process.env);
      const [{ makeLogger }, { runServer }, { createGateway }] = await Promise.all([
        import('@linkspan/server/config/logger.ts'),
        import('@linkspan/server/main.ts'),
        import('@linkspan/server/gateway/gateway.ts'),
      ]);
      await runServer({ config, log: makeLogger(config.options.logLevel), createGateway }, signal);
    });
  addDeclaredOptions(command, SERVER_OPTIONS, SERVER_ENVIRONMENT_PREFIX);
}
