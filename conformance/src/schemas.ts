import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { CONTRACT, type Json, type OpenApiSchema } from './contract.ts';
import { DEVIATIONS, FURTHER_FIELDS } from './deviations.ts';

/** Says what is wrong with a body; empty: nothing. */
export type BodyCheck = (body: unknown) => string[];

/** Keywords that say nothing of a response's shape, or are translated with their schema. */
const ANNOTATIONS = new Set(['nullable', 'readOnly', 'writeOnly', 'default']);

const ajv = new Ajv2020({ allErrors: true, strict: false, unicodeRegExp: true });
ajv.addFormat('int32', {
  type: 'number',
  validate: (value: number) => Number.isInteger(value) && Math.abs(value) <= 2 ** 31,
});
ajv.addFormat('int64', { type: 'number', validate: Number.isSafeInteger });
// As recorded: whole seconds, in UTC.
ajv.addFormat('date-time', (text: string) => /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(text));
ajv.addFormat('email', (text: string) => /^[^\s@]+@[^\s@]+$/.test(text));
ajv.addSchema({
  $id: 'atlas',
  $defs: Object.fromEntries(
    Object.entries(deviating()).map(([name, schema]) => [name, translate(schema, name)]),
  ),
});

const compiled = new Map<OpenApiSchema, ValidateFunction>();

/** The check of a response body: fields that the schema does not have are refused. */
export function bodyCheck(schema: OpenApiSchema): BodyCheck {
  const validate = compiled.get(schema) ?? ajv.compile(translate(schema, null));
  compiled.set(schema, validate);
  return (body) => {
    if (validate(body)) return [];
    return (validate.errors ?? []).map(({ instancePath, message, params }) => {
      const extra: unknown = params['additionalProperty'];
      const named = typeof extra === 'string' ? ` "${extra}"` : '';
      return `body${instancePath}: ${message ?? 'is wrong'}${named}`;
    });
  };
}

function deviating(): Record<string, OpenApiSchema> {
  const schemas = structuredClone(CONTRACT.schemas) as Record<string, Json>;
  for (const { schema, at, value } of DEVIATIONS) {
    const last = at.at(-1) ?? '';
    const parent = at
      .slice(0, -1)
      .reduce<unknown>((node, key) => (node as Json | undefined)?.[key], schemas[schema]);
    if (typeof parent !== 'object' || parent === null || !(last in parent)) {
      throw new Error(`a deviation changes ${schema}/${at.join('/')}, which does not exist`);
    }
    (parent as Record<string, unknown>)[last] = value;
  }
  return schemas;
}

/**
 * From OpenAPI 3.0's dialect to JSON Schema 2020-12, as a response is judged: closed objects, no
 * fields that only requests have.
 */
function translate(schema: OpenApiSchema, name: string | null): Json {
  const result: Record<string, unknown> = {};
  for (const [keyword, value] of Object.entries(schema)) {
    if (keyword.startsWith('x-') || ANNOTATIONS.has(keyword)) continue;
    if (keyword === '$ref') {
      result['$ref'] = String(value).replace('#/schemas/', 'atlas#/$defs/');
    } else if (keyword === 'properties') {
      result['properties'] = translateProperties(value as Json, name);
    } else if (keyword === 'items') {
      result['items'] = translate(value as Json, null);
    } else if (keyword === 'additionalProperties' && typeof value === 'object') {
      result['additionalProperties'] = translate(value as Json, null);
    } else if (keyword === 'exclusiveMinimum' && value === true) {
      result['exclusiveMinimum'] = schema['minimum'];
    } else {
      result[keyword] = value;
    }
  }
  if ('properties' in result) result['additionalProperties'] ??= false;
  return schema['nullable'] === true ? orNull(result) : result;
}

function translateProperties(properties: Json, name: string | null): Json {
  const translated = Object.entries(properties as Record<string, Json>)
    .filter(([, schema]) => schema['writeOnly'] !== true)
    .map(([key, schema]) => [key, translate(schema, null)] as const);
  const further = (FURTHER_FIELDS[name ?? ''] ?? []).map(
    (key) => [key, { type: 'string' }] as const,
  );
  return Object.fromEntries([...translated, ...further]);
}

function orNull(schema: Json): Json {
  return { anyOf: [schema, { type: 'null' }] };
}
