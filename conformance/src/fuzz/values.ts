import fc from 'fast-check';
import type { Json } from '../contract.ts';
import type { ApiDocument } from './document.ts';
import { token, type TokenName } from './tokens.ts';

/** Credentials that the fuzzer puts into bodies: they must never come back. */
export const PLANTED_SECRETS = ['planted-uri-password', 'planted-source-password'] as const;

/** Nothing listens there, and nothing else is ever named: the server may connect to it. */
const URIS = [
  `mongodb://writer:${PLANTED_SECRETS[0]}@127.0.0.1:9/?replicaSet=rs0&serverSelectionTimeoutMS=200`,
  `mongodb://writer:${PLANTED_SECRETS[0]}@localhost:9/`,
  `mongodb://writer:${PLANTED_SECRETS[0]}@[::1]:9/?tls=true`,
  'mongodb://127.0.0.1:9,127.0.0.1:10/app',
];

const known = (...names: TokenName[]) => fc.constantFrom(...names.map((name) => token(name)));
const ADDRESSES = ['192.0.2.1', '198.51.100.0/24', '2001:db8::1', '2001:db8::/32', '127.0.0.1'];

/**
 * Values that mean something under an attribute's name, so that not every valid body stops at the
 * first check behind the schema.
 */
const MEANINGFUL: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  orgId: known('orgId'),
  groupId: known('groupId'),
  clusterName: known('clusterName'),
  'source.groupId': known('sourceProjectId'),
  'source.clusterName': known('sourceClusterName'),
  'source.managedAuthentication': fc.constant(true),
  'source.username': fc.constantFrom(null, ''),
  'source.password': fc.constantFrom(null, ''),
  'source.caCertificatePath': fc.constantFrom(null, ''),
  hostnameSchemaType: fc.constantFrom('PUBLIC', ''),
  privateLinkId: fc.constantFrom(null, ''),
  sharding: fc.constant(null),
  migrationHosts: known('hostname').map((name) => [name]),
  connectionString: fc.constantFrom(...URIS),
  ipAddress: fc.constantFrom(...ADDRESSES),
  cidrBlock: fc.constantFrom(...ADDRESSES),
  accessListIps: fc.subarray(ADDRESSES.slice(0, 4)),
  userId: known('apiUserId'),
  token: known('accessToken'),
  token_type_hint: fc.constant('access_token'),
  include: fc.constantFrom([], ['*'], ['shop', 'logs.*']),
  exclude: fc.constantFrom([], ['*.tmp_?']),
  rename: fc.constantFrom([], [{ from: 'shop', to: 'store' }], [{ from: 'shop.a', to: 'store.b' }]),
  secretExpiresAfterHours: fc.integer({ min: 8, max: 8760 }),
  roles: fc.constantFrom(['ORG_OWNER'], ['ORG_MEMBER'], ['GROUP_OWNER'], ['GROUP_READ_ONLY']),
  name: fc.stringMatching(/^[A-Za-z][A-Za-z0-9-]{0,20}$/),
};

/**
 * Values of a schema, those of known attributes most often meaningful ones.
 * @param within the attribute that the value is one of, or empty
 */
export function valueOf(document: ApiDocument, schema: Json, within = ''): fc.Arbitrary<unknown> {
  const resolved = document.resolve(schema);
  const inner = (one: Json, name = within): fc.Arbitrary<unknown> => valueOf(document, one, name);
  if ('const' in resolved) return fc.constant(resolved['const']);
  if (Array.isArray(resolved['enum'])) return fc.constantFrom(...(resolved['enum'] as unknown[]));
  const choices = resolved['anyOf'] ?? resolved['oneOf'];
  if (Array.isArray(choices)) return fc.oneof(...(choices as Json[]).map((one) => inner(one)));
  switch (resolved['type']) {
    case 'object':
      return objectOf(resolved, within, inner);
    case 'array':
      return fc.array(inner((resolved['items'] as Json | undefined) ?? {}), {
        minLength: Number(resolved['minItems'] ?? 0),
        maxLength: Number(resolved['maxItems'] ?? 3),
      });
    case 'string':
      return textOf(resolved);
    case 'integer':
      return fc.integer({
        min: Number(resolved['minimum'] ?? -(2 ** 31)),
        max: Number(resolved['maximum'] ?? 2 ** 31),
      });
    case 'number':
      return fc.double({ noNaN: true, noDefaultInfinity: true });
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    default:
      return fc.jsonValue({ maxDepth: 2 });
  }
}

function objectOf(
  schema: Json,
  within: string,
  inner: (schema: Json, name: string) => fc.Arbitrary<unknown>,
): fc.Arbitrary<unknown> {
  const properties = (schema['properties'] ?? {}) as Readonly<Record<string, Json>>;
  const required = (schema['required'] ?? []) as string[];
  const values = Object.fromEntries(
    Object.entries(properties).map(([name, property]) => {
      const meaningful = meaningfulOf(`${within}.${name}`) ?? meaningfulOf(name);
      const any = inner(property, name);
      return [
        name,
        meaningful === undefined
          ? any
          : fc.oneof({ arbitrary: meaningful, weight: 6 }, { arbitrary: any, weight: 1 }),
      ];
    }),
  );
  return fc.record(values, { requiredKeys: required });
}

function meaningfulOf(name: string): fc.Arbitrary<unknown> | undefined {
  return Object.hasOwn(MEANINGFUL, name) ? MEANINGFUL[name] : undefined;
}

function textOf(schema: Json): fc.Arbitrary<string> {
  const { pattern, format } = schema;
  if (typeof pattern === 'string') return fc.stringMatching(new RegExp(pattern));
  if (format === 'date-time') return fc.date({ noInvalidDate: true }).map(isoOrEpoch);
  return fc.string({
    minLength: Number(schema['minLength'] ?? 0),
    maxLength: Math.min(Number(schema['maxLength'] ?? 40), 300),
  });
}

function isoOrEpoch(date: Date): string {
  const year = date.getUTCFullYear();
  return year >= 1 && year <= 9999 ? date.toISOString() : '1970-01-01T00:00:00Z';
}
