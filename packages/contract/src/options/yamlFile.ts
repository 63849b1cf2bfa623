import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

import Type, { type Static, type TObject, type TSchema } from 'typebox';
import Value from 'typebox/value';
import { isMap, isNode, isScalar, LineCounter, parseDocument, type Document } from 'yaml';

import { ConfigurationError, expectation, type Option, type Options } from './declare.ts';

/** Schemas of the keys that options have in a YAML file, to be spread into the file's schema. */
export function optionSchemas(declarations: Options): Record<string, TSchema> {
  const schemas: Record<string, TSchema> = {};
  for (const [key, option] of Object.entries(declarations)) {
    if (option.inFile !== false) schemas[key] = Type.Optional(schemaOf(option));
  }
  return schemas;
}

/** The path options among the values of a file, made absolute from the file's own directory. */
export function resolvePaths<T extends Readonly<Record<string, unknown>>>(
  declarations: Options,
  values: T,
  file: string,
): T {
  const resolved: Record<string, unknown> = { ...values };
  for (const [key, option] of Object.entries(declarations)) {
    const value = resolved[key];
    if (option.type === 'path' && typeof value === 'string') {
      resolved[key] = resolve(dirname(file), value);
    }
  }
  return resolved as T;
}

/** A YAML file that has the right shape, and a way to say where something in it stands. */
export interface YamlFile<T> {
  readonly value: T;
  /** `path:line` of the value with that path, for the caller's own checks. */
  readonly at: (path: readonly (string | number)[]) => string;
}

/**
 * Reads a YAML file and checks it against a schema of closed objects. A schema's `description` says
 * what would be right (`24 hexadecimal digits`).
 * @throws {ConfigurationError} naming file and line of every problem, or why it cannot be read
 */
export function readYamlFile<S extends TObject>(path: string, schema: S): YamlFile<Static<S>> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new ConfigurationError([`${path}: cannot be read: ${(error as Error).message}`]);
  }
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  if (document.errors.length > 0) {
    throw new ConfigurationError(
      document.errors.map(
        ({ pos, message }) => `${path}:${lines.linePos(pos[0]).line}: ${message}`,
      ),
    );
  }
  const at = (pointer: readonly (string | number)[]): string => {
    const offset = offsetOf(document, pointer);
    return offset === null ? path : `${path}:${lines.linePos(offset).line}`;
  };
  const value: unknown = document.toJS() ?? {};
  const problems = new Map<string, number>();
  const problem = (pointer: readonly (string | number)[], text: string): void => {
    problems.set(`${at(pointer)}: ${text}`, offsetOf(document, pointer) ?? 0);
  };
  for (const error of Value.Errors(schema, value)) {
    const pointer = pointerOf(error.instancePath);
    if (error.keyword === 'additionalProperties') {
      const known = Object.keys(
        (Value.Pointer.Get(schema, error.schemaPath.slice(1)) as TObject | undefined)?.properties ??
          {},
      );
      for (const key of error.params.additionalProperties) {
        problem([...pointer, key], `unknown key "${key}"; known: ${known.join(', ')}`);
      }
    } else if (error.keyword === 'required') {
      for (const key of error.params.requiredProperties) {
        problem(pointer, `"${key}" is missing${within(pointer)}`);
      }
    } else if (error.keyword !== 'boolean' && error.keyword !== 'const') {
      const violated = Value.Pointer.Get(schema, error.schemaPath.slice(1)) as TSchema | undefined;
      const description = (violated as { description?: string } | undefined)?.description;
      const wanted =
        pointer.length === 0
          ? 'must be keys with values'
          : description === undefined
            ? error.message
            : `must be ${description}`;
      problem(pointer, `${nameOf(pointer)} ${wanted}`);
    }
  }
  if (problems.size > 0) {
    throw new ConfigurationError(
      [...problems].toSorted(([, a], [, b]) => a - b).map(([text]) => text),
    );
  }
  return { value: value as Static<S>, at };
}

function schemaOf(option: Option): TSchema {
  const description = expectation(option);
  switch (option.type) {
    case 'integer':
      return Type.Integer({ minimum: option.minimum, maximum: option.maximum, description });
    case 'boolean':
      return Type.Boolean({ description });
    case 'path':
      return Type.String({ minLength: 1, description });
    case 'string':
      return option.choices === undefined
        ? Type.String({ description })
        : Type.Enum([...option.choices], { description });
  }
}

function pointerOf(instancePath: string): (string | number)[] {
  return instancePath
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .map((part) => (/^\d+$/.test(part) ? Number(part) : part));
}

function nameOf(pointer: readonly (string | number)[]): string {
  return pointer.length === 0 ? 'the file' : `"${pointer.join('.')}"`;
}

function within(pointer: readonly (string | number)[]): string {
  return pointer.length === 0 ? '' : ` in "${pointer.join('.')}"`;
}

/**
 * Where the key stands, or the item of a list: that is the line a person looks for. What is not there
 * stands where it is missing.
 */
function offsetOf(document: Document, pointer: readonly (string | number)[]): number | null {
  const parent =
    pointer.length < 2 ? document.contents : document.getIn(pointer.slice(0, -1), true);
  const last = pointer.at(-1);
  if (isMap(parent) && last !== undefined) {
    const pair = parent.items.find(({ key }) => (isScalar(key) ? key.value : key) === last);
    if (isNode(pair?.key) && pair.key.range) return pair.key.range[0];
  }
  const node = pointer.length === 0 ? document.contents : document.getIn(pointer, true);
  if (isNode(node) && node.range) return node.range[0];
  return pointer.length === 0 ? null : offsetOf(document, pointer.slice(0, -1));
}
