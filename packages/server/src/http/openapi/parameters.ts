import type { Endpoint, QueryParameter } from '../endpoint.ts';
import type { Json } from './schemas.ts';

const ref = (name: string): Json => ({ $ref: `#/components/parameters/${name}` });

const flag = (name: string, absent: boolean, description: string): Json => ({
  name,
  in: 'query',
  description,
  schema: { type: 'boolean', default: absent },
});

/** `components.parameters`: those that every operation, or every list, has. */
export const SHARED_PARAMETERS: Json = {
  envelope: flag(
    'envelope',
    false,
    'Wraps the body: `{"status", "content"}`, or `status` beside the fields of a page. A 204, which cannot have a body, becomes a 200 with the status 204 inside.',
  ),
  pretty: flag('pretty', false, 'Indents the body.'),
  pageNum: {
    name: 'pageNum',
    in: 'query',
    description: 'The page, from 1.',
    schema: { type: 'integer', minimum: 1, maximum: 2 ** 31 - 1, default: 1 },
  },
  itemsPerPage: {
    name: 'itemsPerPage',
    in: 'query',
    description: 'How many items a page has.',
    schema: { type: 'integer', minimum: 1, maximum: 500, default: 100 },
  },
  includeCount: flag(
    'includeCount',
    true,
    '`totalCount` tells how many items there are on all pages; with false it is 0.',
  ),
};

/** What a name in a path stands for; every other one is an id of 24 hex digits. */
const PATH_PARAMETERS: Readonly<Record<string, Json>> = {
  clientId: {
    description: 'A service account.',
    schema: { type: 'string', pattern: '^mdb_sa_id_[0-9a-f]{24}$' },
  },
  clusterName: {
    description: 'The name of a destination cluster.',
    schema: { type: 'string', pattern: '^[A-Za-z0-9][A-Za-z0-9-]{0,63}$' },
  },
  groupName: {
    description: 'The name of a project.',
    schema: { type: 'string', minLength: 1, maxLength: 64 },
  },
  ipAddress: {
    description: 'An address, or a CIDR block with its slash escaped (`%2F`).',
    schema: { type: 'string', minLength: 1 },
  },
};

/** Path and query parameters of an operation. */
export function parametersOf(endpoint: Endpoint): Json[] {
  const names = [...endpoint.path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name);
  const own = Object.entries(endpoint.query ?? {}).map(([name, parameter]) => ({
    name,
    in: 'query',
    description: parameter.description,
    ...queryShape(parameter),
  }));
  const pages = endpoint.isList === true ? ['pageNum', 'itemsPerPage', 'includeCount'] : [];
  const shared = ['envelope', 'pretty', ...pages]
    .filter((name) => endpoint.query?.[name] === undefined)
    .map(ref);
  return [...names.map(pathParameter), ...own, ...shared];
}

function pathParameter(name: string): Json {
  const known = PATH_PARAMETERS[name] ?? {
    description: `Id: 24 hexadecimal digits.`,
    schema: { type: 'string', pattern: '^[0-9a-f]{24}$' },
  };
  return { name, in: 'path', required: true, ...known };
}

function queryShape({ type }: QueryParameter): Json {
  switch (type) {
    case 'string':
      return { schema: { type: 'string' } };
    case 'boolean':
      return { schema: { type: 'boolean' } };
    case 'strings':
      return { schema: { type: 'array', items: { type: 'string' } } };
    case 'time':
      return { schema: { type: 'string', format: 'date-time' } };
  }
}
