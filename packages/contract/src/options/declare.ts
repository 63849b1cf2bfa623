/**
 * Options of a long-running command, declared once: flags, environment variables, the YAML file, the
 * help and docs/options.md come from the declaration. Precedence: flag, environment, file, default.
 */
interface Declared {
  /** For help and documentation: what it is for, with the unit. A full sentence without its stop. */
  readonly description: string;
  /** `false` for what belongs to one start only (a ready file) and makes no sense in a file. */
  readonly inFile?: false;
}

export interface StringOption extends Declared {
  readonly type: 'string';
  readonly default?: string;
  readonly choices?: readonly string[];
}

/** A path; one in a YAML file is relative to that file. */
export interface PathOption extends Declared {
  readonly type: 'path';
  readonly default?: string;
}

export interface IntegerOption extends Declared {
  readonly type: 'integer';
  readonly default?: number;
  readonly minimum: number;
  readonly maximum: number;
}

export interface BooleanOption extends Declared {
  readonly type: 'boolean';
  readonly default: boolean;
}

export type Option = StringOption | PathOption | IntegerOption | BooleanOption;

/** Keys in camelCase, as they stand in the YAML file. */
export type Options = Readonly<Record<string, Option>>;

type ValueOf<O extends Option> = O extends IntegerOption
  ? number
  : O extends BooleanOption
    ? boolean
    : string;

/** An option without a default that nobody gave is absent. */
export type OptionValues<D extends Options> = {
  readonly [K in keyof D as D[K] extends { default: unknown } ? K : never]: ValueOf<D[K]>;
} & {
  readonly [K in keyof D as D[K] extends { default: unknown } ? never : K]?: ValueOf<D[K]>;
};

/** What a person gave is wrong; each problem says where it stands and what would be right. */
export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}

/** `dataDir` → `--data-dir`. */
export function flagOf(key: string): string {
  return `--${words(key).join('-')}`;
}

/** `LINKSPAN_SERVER_` and `dataDir` → `LINKSPAN_SERVER_DATA_DIR`. */
export function variableOf(prefix: string, key: string): string {
  return prefix + words(key).join('_').toUpperCase();
}

/** Given values of one place, by key: text from flags and environment, typed from a file. */
export type GivenValues = Readonly<Record<string, unknown>>;

export interface OptionSources {
  /** As the command line's parser delivers them: text, or true for a boolean's flag. */
  readonly flags: GivenValues;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly environmentPrefix: string;
  /** Checked by the file's schema already. */
  readonly file?: GivenValues;
  /** `path:line` of a key of the file. */
  readonly fileAt?: (key: string) => string;
}

/** Where the value of an option comes from, as messages name it: the flag where it has its default. */
export function placeOf(key: string, sources: OptionSources): string {
  const { flags, environment, environmentPrefix, file, fileAt } = sources;
  const variable = variableOf(environmentPrefix, key);
  if (flags[key] !== undefined) return flagOf(key);
  if ((environment[variable] ?? '') !== '') return variable;
  if (file?.[key] === undefined) return flagOf(key);
  return fileAt === undefined ? key : `${fileAt(key)}: "${key}"`;
}

/**
 * Puts the places together.
 * @throws {ConfigurationError} naming the flag or variable and what it takes
 */
export function resolveOptions<const D extends Options>(
  declarations: D,
  sources: OptionSources,
): OptionValues<D> {
  const values: Record<string, string | number | boolean> = {};
  const problems: string[] = [];
  for (const [key, option] of Object.entries<Option>(declarations)) {
    const fromEnvironment = sources.environment[variableOf(sources.environmentPrefix, key)];
    const given =
      sources.flags[key] ??
      (fromEnvironment === '' ? undefined : fromEnvironment) ??
      sources.file?.[key] ??
      option.default;
    if (given === undefined) continue;
    const parsed = parse(option, given);
    if (parsed === undefined) {
      problems.push(
        `${placeOf(key, sources)}: ${JSON.stringify(given)} is not ${expectation(option)}`,
      );
    } else {
      values[key] = parsed;
    }
  }
  if (problems.length > 0) throw new ConfigurationError(problems);
  return values as OptionValues<D>;
}

/** What an option takes, in words: `a whole number from 1 to 65535`. */
export function expectation(option: Option): string {
  switch (option.type) {
    case 'integer':
      return `a whole number from ${option.minimum} to ${option.maximum}`;
    case 'boolean':
      return 'true or false';
    case 'path':
      return 'a path';
    case 'string':
      return option.choices === undefined ? 'a text' : `one of ${option.choices.join(', ')}`;
  }
}

function parse(option: Option, given: unknown): string | number | boolean | undefined {
  switch (option.type) {
    case 'integer': {
      const text =
        typeof given === 'number' ? `${given}` : typeof given === 'string' ? given.trim() : '';
      const value = /^-?\d+$/.test(text) ? Number(text) : Number.NaN;
      return value >= option.minimum && value <= option.maximum ? value : undefined;
    }
    case 'boolean':
      if (given === true || given === 'true') return true;
      return given === false || given === 'false' ? false : undefined;
    case 'path':
      return typeof given === 'string' && given !== '' ? given : undefined;
    case 'string':
      if (typeof given !== 'string') return undefined;
      return option.choices?.includes(given) === false ? undefined : given;
  }
}

function words(key: string): string[] {
  return key.split(/(?=[A-Z])/).map((word) => word.toLowerCase());
}
