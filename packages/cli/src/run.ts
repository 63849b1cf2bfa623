import { ConfigurationError } from '@linkspan/contract/options/declare.ts';
import { CommanderError } from 'commander';

import { EXIT, InterruptedError, UnsuccessfulError, UsageError } from './exitCodes.ts';
import { makeProgram } from './program.ts';

/**
 * Runs the command that the arguments name.
 * @param argv as in `process.argv`
 * @returns the exit code; why it is none of success stands on standard error
 */
export async function run(argv: readonly string[]): Promise<number> {
  try {
    await makeProgram().parseAsync(argv);
    return EXIT.success;
  } catch (error) {
    // The parser has printed what is wrong, or the help that was asked for.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.success : EXIT.usage;
    if (error instanceof InterruptedError) return EXIT.interrupted;
    process.stderr.write(`Error: ${(error as Error).message}\n`);
    return exitCodeOf(error as Error);
  }
}

function exitCodeOf(error: Error): number {
  if (error instanceof UsageError || error instanceof ConfigurationError) return EXIT.usage;
  if (error instanceof UnsuccessfulError) return EXIT.unsuccessful;
  // By name: the agent's modules are loaded by its own command only.
  return error.name === 'LinkRefusedError' ? EXIT.linkRefused : EXIT.failure;
}
