import { expectation, flagOf, type Option, type Options, variableOf } from './declare.ts';

/** Options as a table in Markdown, in the order of their declaration. */
export function describeOptions(declarations: Options, environmentPrefix: string): string {
  return [
    '| Flag | Environment | Takes | Default | What it is for |',
    '| --- | --- | --- | --- | --- |',
    ...Object.entries(declarations).map(([key, option]) => {
      const star = option.inFile === false ? ' *' : '';
      const cells = [
        `\`${flagOf(key)}\`${star}`,
        `\`${variableOf(environmentPrefix, key)}\``,
        expectation(option),
        defaultOf(option),
        option.description.replaceAll('|', '\\|'),
      ];
      return `| ${cells.join(' | ')} |`;
    }),
  ].join('\n');
}

function defaultOf({ default: value }: Option): string {
  return value === undefined || value === '' ? '' : `\`${value}\``;
}
