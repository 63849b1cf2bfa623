import { readFileSync } from 'node:fs';
import { hostname as machineName } from 'node:os';
import { dirname, resolve } from 'node:path';

import {
  ConfigurationError,
  resolveOptions,
  type GivenValues,
  type OptionSources,
  type OptionValues,
} from '@linkspan/contract/options/declare.ts';
import {
  optionSchemas,
  readYamlFile,
  resolvePaths,
  type YamlFile,
} from '@linkspan/contract/options/yamlFile.ts';
import { HOW_TO_ESCAPE } from '@linkspan/contract/options/mongodbUri.ts';
import type { TlsFiles } from '@linkspan/contract/tls/files.ts';
import { tlsFilesOf } from '@linkspan/contract/tls/options.ts';
import Type, { type Static } from 'typebox';

import { hostsIn } from '../source/hosts.ts';
import { readAdmin, type AdminConfig } from './admin.ts';
import { AGENT_ENVIRONMENT_PREFIX, AGENT_OPTIONS } from './options.ts';

const TLS_OPTIONS = { ca: 'tlsCaFile', cert: 'tlsCertFile', key: 'tlsKeyFile' } as const;

const closed = { additionalProperties: false } as const;

const DeploymentSchema = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 256, description: 'a text' }),
    uri: Type.Optional(Type.String({ description: 'a text' })),
    uriFile: Type.Optional(Type.String({ minLength: 1, description: 'a path' })),
    allowWriteBlock: Type.Optional(Type.Boolean({ description: 'true or false' })),
  },
  closed,
);

const ProjectSchema = Type.Object(
  {
    id: Type.String({
      pattern: '^[0-9a-f]{24}$',
      description: '24 lower-case hexadecimal digits, in quotes',
    }),
    name: Type.String({ minLength: 1, maxLength: 64, description: 'a text of 1 to 64 characters' }),
    deployments: Type.Array(DeploymentSchema, {
      minItems: 1,
      description: 'a list of at least one deployment',
    }),
  },
  closed,
);

const FileSchema = Type.Object(
  {
    ...optionSchemas(AGENT_OPTIONS),
    hostname: Type.Optional(
      Type.String({ minLength: 1, maxLength: 253, description: 'a host name' }),
    ),
    projects: Type.Array(ProjectSchema, {
      minItems: 1,
      description: 'a list of at least one project',
    }),
  },
  closed,
);

/** A cluster that this host may read. Its connection string is a secret. */
export interface ConfiguredDeployment {
  readonly name: string;
  readonly uri: string;
  /** A cutover may block the writes of ordinary users there (rule D23); else it is only read. */
  readonly allowWriteBlock: boolean;
}

export interface ConfiguredProject {
  readonly id: string;
  readonly name: string;
  readonly deployments: readonly ConfiguredDeployment[];
}

export interface AgentConfig {
  readonly options: OptionValues<typeof AGENT_OPTIONS>;
  /** What migrations name this host by. */
  readonly hostname: string;
  readonly projects: readonly ConfiguredProject[];
  /** What is shown to the server, and trusted of it. */
  readonly tls: TlsFiles;
  /** null: no admin port. */
  readonly admin: AdminConfig | null;
}

/**
 * Reads the flags, the environment and the configuration file. Takes the admin port's private key out
 * of the environment, which child processes would inherit.
 * @throws {ConfigurationError} naming each problem with its flag, variable, or file and line
 */
export function loadConfig(
  flags: GivenValues,
  environment: Record<string, string | undefined>,
): AgentConfig {
  const { sources, ...read } = readSources(flags, environment);
  const problems: string[] = [];
  const tls = tlsFilesOf(read.options, TLS_OPTIONS, sources, problems);
  const admin = readAdmin(read.options, environment);
  if (problems.length > 0) throw new ConfigurationError(problems);
  return { ...read, tls, admin };
}

/**
 * The same without what only a running agent needs.
 * @throws {ConfigurationError}
 */
export function loadSources(
  flags: GivenValues,
  environment: Record<string, string | undefined>,
): Omit<AgentConfig, 'admin' | 'tls'> {
  const { sources: _, ...read } = readSources(flags, environment);
  return read;
}

function readSources(
  flags: GivenValues,
  environment: Record<string, string | undefined>,
): Omit<AgentConfig, 'admin' | 'tls'> & { readonly sources: OptionSources } {
  const sources = { flags, environment, environmentPrefix: AGENT_ENVIRONMENT_PREFIX };
  const { config } = resolveOptions(AGENT_OPTIONS, sources);
  if (config === undefined) {
    throw new ConfigurationError([
      '--config is missing: it names the YAML file with the projects and deployments',
    ]);
  }
  const file = readYamlFile(config, FileSchema);
  const all = {
    ...sources,
    file: resolvePaths(AGENT_OPTIONS, file.value as GivenValues, config),
    fileAt: (key: string) => file.at([key]),
  };
  const options = resolveOptions(AGENT_OPTIONS, all);
  return {
    sources: all,
    options,
    hostname: file.value.hostname ?? machineName(),
    projects: readProjects(file, config),
  };
}

function readProjects(
  file: YamlFile<Static<typeof FileSchema>>,
  path: string,
): ConfiguredProject[] {
  const problems: string[] = [];
  const projectIds = new Map<string, number>();
  const projects = file.value.projects.map((project, index) => {
    const first = projectIds.get(project.id);
    if (first === undefined) projectIds.set(project.id, index);
    else {
      const where = file.at(['projects', first, 'id']);
      problems.push(
        `${file.at(['projects', index, 'id'])}: the project ${project.id} is there already (${where})`,
      );
    }
    const names = new Set<string>();
    const deployments = project.deployments.map((deployment, position) => {
      const at = ['projects', index, 'deployments', position] as const;
      if (names.has(deployment.name)) {
        problems.push(
          `${file.at([...at, 'name'])}: the project "${project.name}" has a deployment "${deployment.name}" already`,
        );
      }
      names.add(deployment.name);
      const { allowWriteBlock = false } = deployment;
      try {
        const uri = readUri(deployment, dirname(path));
        return { name: deployment.name, uri, allowWriteBlock };
      } catch (error) {
        const key = deployment.uriFile === undefined ? 'uri' : 'uriFile';
        problems.push(`${file.at([...at, key])}: ${(error as Error).message}`);
        return { name: deployment.name, uri: '', allowWriteBlock };
      }
    });
    return { id: project.id, name: project.name, deployments };
  });
  if (problems.length > 0) throw new ConfigurationError(problems);
  return projects;
}

/** @throws {Error} that quotes no part of the connection string */
function readUri(deployment: Static<typeof DeploymentSchema>, directory: string): string {
  const { name, uri, uriFile } = deployment;
  if ((uri === undefined) === (uriFile === undefined)) {
    throw new Error(`the deployment "${name}" needs either "uri" or "uriFile"`);
  }
  let text = uri ?? '';
  if (uriFile !== undefined) {
    try {
      text = readFileSync(resolve(directory, uriFile), 'utf8');
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      throw new Error(`"uriFile" ${uriFile} cannot be read (${code})`, { cause: error });
    }
  }
  text = text.trim();
  if (!/^mongodb(\+srv)?:\/\/./.test(text)) {
    throw new Error(`the connection string of "${name}" does not start with mongodb://`);
  }
  if (hostsIn(text) === null) {
    throw new Error(
      `the connection string of "${name}" cannot be read: ${HOW_TO_ESCAPE}; after mongodb+srv:// stands one host without a port`,
    );
  }
  return text;
}
