import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import type { Json } from '../contract.ts';

/** Where the server serves its OpenAPI document. */
export const DOCUMENT_PATH = '/api/linkspan/v1/openapi.json';

export interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query';
  readonly schema: Json;
}

/** A body by media type; an empty map is no body. */
export type Bodies = ReadonlyMap<string, Json>;

/** An operation as the document has it, its references to parameters resolved. */
export interface DocumentedOperation {
  readonly id: string;
  readonly method: string;
  /** With names in braces. */
  readonly path: string;
  readonly parameters: readonly Parameter[];
  readonly bodies: Bodies;
  readonly responses: ReadonlyMap<number, Bodies>;
}

interface RawOperation {
  readonly operationId: string;
  readonly parameters?: readonly (Parameter | { readonly $ref: string })[];
  readonly requestBody?: { readonly content: RawContent };
  readonly responses: Readonly<Record<string, { readonly content?: RawContent }>>;
}
type RawContent = Readonly<Record<string, { readonly schema: Json }>>;

/** The OpenAPI document of a running server. */
export class ApiDocument {
  readonly operations: readonly DocumentedOperation[];
  readonly #document: Json;
  readonly #ajv = new Ajv2020({ strict: false, unicodeRegExp: true });
  readonly #validators = new Map<Json, ValidateFunction>();

  constructor(document: Json) {
    this.#document = document;
    this.#ajv.addFormat('date-time', (text: string) => !Number.isNaN(Date.parse(text)));
    this.#ajv.addSchema({ ...(absolute(document) as Json), $id: 'openapi' });
    const paths = document['paths'] as Readonly<
      Record<string, Readonly<Record<string, RawOperation>>>
    >;
    this.operations = Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, raw]) => this.#operation(method, path, raw)),
    );
  }

  /** @throws {Error} unless the server answers with the document */
  static async read(baseUrl: string): Promise<ApiDocument> {
    const response = await fetch(baseUrl + DOCUMENT_PATH);
    if (response.status !== 200) throw new Error(`${DOCUMENT_PATH} answered ${response.status}`);
    return new ApiDocument((await response.json()) as Json);
  }

  /** What a reference points at; any other schema as it is. */
  resolve(schema: Json): Json {
    const { $ref } = schema;
    if (typeof $ref !== 'string') return schema;
    const found = $ref
      .slice(2)
      .split('/')
      .reduce<unknown>((node, key) => (node as Json | undefined)?.[key], this.#document);
    if (typeof found !== 'object' || found === null) throw new Error(`nothing at ${$ref}`);
    return this.resolve(found as Json);
  }

  /** Says what is wrong with a value; null: nothing. */
  problemOf(schema: Json, value: unknown): string | null {
    const validate = this.#validators.get(schema) ?? this.#ajv.compile(absolute(schema) as Json);
    this.#validators.set(schema, validate);
    if (validate(value)) return null;
    const { instancePath = '', message = 'is wrong', params } = validate.errors?.[0] ?? {};
    return `body${instancePath} ${message} ${JSON.stringify(params)}`;
  }

  #operation(method: string, path: string, raw: RawOperation): DocumentedOperation {
    return {
      id: raw.operationId,
      method: method.toUpperCase(),
      path,
      parameters: (raw.parameters ?? []).map(
        (parameter) => this.resolve(parameter as unknown as Json) as unknown as Parameter,
      ),
      bodies: bodiesOf(raw.requestBody?.content),
      responses: new Map(
        Object.entries(raw.responses).map(([status, { content }]) => [
          Number(status),
          bodiesOf(content),
        ]),
      ),
    };
  }
}

function bodiesOf(content: RawContent | undefined): Bodies {
  return new Map(Object.entries(content ?? {}).map(([type, { schema }]) => [type, schema]));
}

/** References that hold wherever the schema stands. */
function absolute(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(absolute);
  if (typeof node !== 'object' || node === null) return node;
  return Object.fromEntries(
    Object.entries(node).map(([key, value]) => [
      key,
      key === '$ref' && typeof value === 'string' ? `openapi${value}` : absolute(value),
    ]),
  );
}
