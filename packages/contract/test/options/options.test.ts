import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import Type from 'typebox';
import { afterAll, expect, test } from 'vitest';

import {
  ConfigurationError,
  flagOf,
  resolveOptions,
  variableOf,
  type Options,
} from '../../src/options/declare.ts';
import { optionSchemas, readYamlFile, resolvePaths } from '../../src/options/yamlFile.ts';

const OPTIONS = {
  dataDir: { type: 'path', description: 'Where data is kept' },
  port: { type: 'integer', minimum: 0, maximum: 65_535, default: 8080, description: 'Port' },
  logLevel: { type: 'string', choices: ['info', 'debug'], default: 'info', description: 'Level' },
  pretty: { type: 'boolean', default: false, description: 'Pretty' },
  readyFile: { type: 'path', inFile: false, description: 'Written when ready' },
} as const satisfies Options;

const SCHEMA = Type.Object(
  {
    ...optionSchemas(OPTIONS),
    projects: Type.Array(
      Type.Object(
        { id: Type.String({ pattern: '^[0-9a-f]{24}$', description: '24 hexadecimal digits' }) },
        { additionalProperties: false },
      ),
    ),
  },
  { additionalProperties: false },
);

const directory = mkdtempSync(join(tmpdir(), 'linkspan-options-'));
const file = join(directory, 'linkspan.yaml');
afterAll(() => rmSync(directory, { recursive: true }));

function problemsOf(text: string): readonly string[] {
  writeFileSync(file, text);
  try {
    readYamlFile(file, SCHEMA);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    return error.problems.map((problem) => problem.replace(file, 'F'));
  }
}

test('flags win over the environment, the environment over the file, the file over defaults', () => {
  const values = resolveOptions(OPTIONS, {
    flags: { logLevel: 'debug' },
    environment: { X_PORT: '1', X_LOG_LEVEL: 'info', X_PRETTY: '' },
    environmentPrefix: 'X_',
    file: { port: 2, pretty: true },
  });
  expect(values).toEqual({ logLevel: 'debug', port: 1, pretty: true });
});

test('a wrong flag or variable is named with what it takes', () => {
  const resolve = () =>
    resolveOptions(OPTIONS, {
      flags: { port: '70000' },
      environment: { X_LOG_LEVEL: 'loud' },
      environmentPrefix: 'X_',
    });
  expect(resolve).toThrow('--port: "70000" is not a whole number from 0 to 65535');
  expect(resolve).toThrow('X_LOG_LEVEL: "loud" is not one of info, debug');
});

test('names of flags and variables come from the key', () => {
  expect(flagOf('dataDir')).toBe('--data-dir');
  expect(variableOf('LINKSPAN_SERVER_', 'dataDir')).toBe('LINKSPAN_SERVER_DATA_DIR');
});

test('a right file is read, its paths from its own directory', () => {
  writeFileSync(file, 'dataDir: ./data\nport: 1\nprojects:\n  - id: 0123456789abcdef01234567\n');
  const { value, at } = readYamlFile(file, SCHEMA);
  expect(resolvePaths(OPTIONS, value, file)).toMatchObject({ dataDir: join(directory, 'data') });
  expect(at(['projects', 0, 'id'])).toBe(`${file}:4`);
});

test('every problem of a file is named with its line', () => {
  expect(problemsOf('port: high\nprojects:\n  - id: 12\n    nane: x\n  - {}\n')).toEqual([
    'F:1: "port" must be a whole number from 0 to 65535',
    'F:3: "projects.0.id" must be 24 hexadecimal digits',
    'F:4: unknown key "nane"; known: id',
    'F:5: "id" is missing in "projects.1"',
  ]);
  expect(problemsOf('projects: [{id: zz}]\nlogLevel: loud\nreadyFile: x\n')).toEqual([
    'F:1: "projects.0.id" must be 24 hexadecimal digits',
    'F:2: "logLevel" must be one of info, debug',
    'F:3: unknown key "readyFile"; known: dataDir, port, logLevel, pretty, projects',
  ]);
  expect(problemsOf('')).toEqual(['F: "projects" is missing']);
  expect(problemsOf('a: 1\nb: [\n')[0]).toMatch(/^F:3: /);
  expect(problemsOf('port: 1\nport: 2\n')[0]).toMatch(/^F:2: .*unique/);
});

test('a file that is not there is named', () => {
  expect(() => readYamlFile(join(directory, 'none.yaml'), SCHEMA)).toThrow('none.yaml: cannot be');
});
