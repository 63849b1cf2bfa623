import type { TSchema } from 'typebox';
import * as apiKeys from '@linkspan/contract/api/apiKeys.ts';
import * as atlasClusters from '@linkspan/contract/api/atlasClusters.ts';
import * as clusters from '@linkspan/contract/api/clusters.ts';
import * as common from '@linkspan/contract/api/common.ts';
import * as events from '@linkspan/contract/api/events.ts';
import * as linkTokens from '@linkspan/contract/api/linkTokens.ts';
import * as liveMigrations from '@linkspan/contract/api/liveMigrations.ts';
import * as organizations from '@linkspan/contract/api/organizations.ts';
import * as organizationSettings from '@linkspan/contract/api/organizationSettings.ts';
import * as projects from '@linkspan/contract/api/projects.ts';
import * as serviceAccounts from '@linkspan/contract/api/serviceAccounts.ts';
import * as systemStatus from '@linkspan/contract/api/systemStatus.ts';
import { Deployment } from '@linkspan/contract/push/host.ts';
import { Progress } from '@linkspan/contract/push/progress.ts';
import { Finding } from '@linkspan/contract/push/validation.ts';
import { Verification } from '@linkspan/contract/push/verification.ts';

/** A part of the document. */
export type Json = Readonly<Record<string, unknown>>;

/** Modules whose exported schemas have names in the document: the names of the exports. */
const MODULES: readonly Json[] = [
  common,
  systemStatus,
  organizations,
  organizationSettings,
  projects,
  apiKeys,
  serviceAccounts,
  clusters,
  atlasClusters,
  linkTokens,
  liveMigrations,
  events,
];

/** Of the push protocol, what answers of the API hold too. */
const SHARED: Json = { Deployment, Finding, Progress, Verification };

/** By their text, since a schema that is optional somewhere is another object there. */
const NAMES: ReadonlyMap<string, string> = new Map(
  [...MODULES, SHARED]
    .flatMap((module) => Object.entries(module))
    .filter(([, schema]) => isNameable(schema))
    .map(([name, schema]) => [JSON.stringify(schema), name]),
);

/** Keywords whose values are schemas by name, lists of schemas, or one schema. */
const BY_NAME = new Set(['properties', 'patternProperties']);
const LISTS = new Set(['anyOf', 'oneOf', 'allOf']);
const SINGLE = new Set(['items', 'additionalProperties', 'not']);

/** Collects `components.schemas` while the operations refer to them. */
export class SchemaComponents {
  readonly #schemas = new Map<string, Json>();

  /** A reference to the schema where it has a name, else the schema with references inside. */
  refer(schema: TSchema): Json {
    return this.#refer(JSON.parse(JSON.stringify(schema)) as Json);
  }

  /** Adds a schema under a name of its own. @returns the reference to it */
  add(name: string, schema: Json): Json {
    this.#schemas.set(name, schema);
    return { $ref: `#/components/schemas/${name}` };
  }

  /** The page of a list, named after its items where they have a name. */
  page(item: TSchema): Json {
    const text = JSON.stringify(item);
    const page = common.PageOf(item);
    const name = NAMES.get(text);
    return name === undefined
      ? this.refer(page)
      : this.add(`PageOf${name}`, this.#inside(JSON.parse(JSON.stringify(page)) as Json));
  }

  /** All of them, in the order of their names. */
  all(): Json {
    return Object.fromEntries([...this.#schemas].toSorted(([a], [b]) => (a < b ? -1 : 1)));
  }

  #refer(schema: Json): Json {
    const name = NAMES.get(JSON.stringify(schema));
    return name === undefined ? this.#inside(schema) : this.add(name, this.#inside(schema));
  }

  #inside(schema: Json): Json {
    return Object.fromEntries(
      Object.entries(schema).map(([keyword, value]) => [keyword, this.#keyword(keyword, value)]),
    );
  }

  #keyword(keyword: string, value: unknown): unknown {
    if (LISTS.has(keyword)) return (value as Json[]).map((schema) => this.#refer(schema));
    if (typeof value !== 'object' || value === null) return value;
    if (SINGLE.has(keyword)) return this.#refer(value as Json);
    if (!BY_NAME.has(keyword)) return value;
    const entries = Object.entries(value as Record<string, Json>);
    return Object.fromEntries(entries.map(([name, schema]) => [name, this.#refer(schema)]));
  }
}

/** Schemas of objects, of lists of objects, and of choices: a name for a plain text helps nobody. */
function isNameable(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return 'properties' in value || 'anyOf' in value || ('items' in value && isNameable(value.items));
}
