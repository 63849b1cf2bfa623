import { flagOf, variableOf, type Options } from '@linkspan/contract/options/declare.ts';
import { Option, type Command } from 'commander';

/** Adds the flags of declared options; help names the default and the environment variable. */
export function addDeclaredOptions(
  command: Command,
  declarations: Options,
  environmentPrefix: string,
): Command {
  for (const [key, option] of Object.entries(declarations)) {
    const flag = flagOf(key);
    const value = option.type === 'path' ? '<path>' : `<${option.type}>`;
    const details = [
      ...(option.default === undefined ? [] : [`default: ${JSON.stringify(option.default)}`]),
      ...(option.type === 'string' && option.choices !== undefined
        ? [`one of ${option.choices.join(', ')}`]
        : []),
      variableOf(environmentPrefix, key),
    ];
    // Without commander's own default, which would stand above environment and file.
    const flags = option.type === 'boolean' ? `${flag} [boolean]` : `${flag} ${value}`;
    command.addOption(new Option(flags, `${option.description} (${details.join('; ')})`));
  }
  return command;
}
