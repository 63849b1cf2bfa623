import process from 'node:process';

import { ConfigurationError } from '@linkspan/contract/options/declare.ts';
import { CommanderError } from 'commander';

import { EXIT, UnsuccessfulError, UsageError } from './exitCodes.ts';
import { makeProgram } from './program.ts';

/** What a command that threw ends with; prints why, unless the parser has done so. */
function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.success : EXIT.usage;
  const { name, message } = error as Error;
  console.error(`Error: ${message}`);
  if (error instanceof UsageError || error instanceof ConfigurationError) return EXIT.usage;
  // By name: the agent's modules are loaded by its own command only.
  if (name === 'LinkRefusedError') return EXIT.linkRefused;
  return error instanceof UnsuccessfulError ? EXIT.unsuccessful : EXIT.failure;
}

try {
  await makeProgram().parseAsync(process.argv);
} catch (error) {
  process.exitCode = report(error);
}
