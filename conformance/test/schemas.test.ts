import { describe, expect, test } from 'vitest';
import { CONTRACT } from '../src/contract.ts';
import { DEVIATIONS, FURTHER_FIELDS } from '../src/deviations.ts';
import { bodyCheck } from '../src/schemas.ts';

const named = (name: string) => bodyCheck({ $ref: `#/schemas/${name}` });
const id = 'a'.repeat(24);

describe('a body is judged by its schema:', () => {
  const project = { clusterCount: 0, created: '2026-08-10T03:02:58Z', name: 'One', orgId: id };

  test('what it asks for is enough', () => {
    expect(named('Group')(project)).toEqual([]);
  });

  test('a field that it does not have is refused, at any depth', () => {
    expect(named('Group')({ ...project, colour: 'red' })).toEqual([
      'body: must NOT have additional properties "colour"',
    ]);
    const tags = [{ key: 'a', value: 'b', colour: 'red' }];
    expect(named('Group')({ ...project, tags })).toEqual([
      'body/tags/0: must NOT have additional properties "colour"',
    ]);
  });

  test('a field that only requests have is refused', () => {
    const [problem] = named('Source')({
      clusterName: 'one',
      groupId: id,
      managedAuthentication: false,
      ssl: false,
      password: 'secret',
    });
    expect(problem).toBe('body: must NOT have additional properties "password"');
  });

  test('missing fields, types, patterns, dates and enumerations', () => {
    const { name: _name, ...nameless } = project;
    expect(named('Group')(nameless)).toHaveLength(1);
    expect(named('Group')({ ...project, clusterCount: '0' })).toHaveLength(1);
    expect(named('Group')({ ...project, orgId: 'one' })).toHaveLength(1);
    expect(named('Group')({ ...project, created: '2026-08-10T03:02:58.123Z' })).toHaveLength(1);
    expect(named('LiveMigrationResponse')({ status: 'LOST' })).not.toEqual([]);
  });

  test('null only where it may be', () => {
    expect(named('LiveMigrationResponse')({ lagTimeSeconds: null, status: null })).toEqual([]);
    expect(named('LiveMigrationResponse')({ readyForCutover: null })).toHaveLength(1);
  });

  test('a schema within itself', () => {
    const principal = { id: 'a', onBehalfOf: { id: 'b', onBehalfOf: { id: 'c' } } };
    expect(named('Principal')(principal)).toEqual([]);
    expect(named('Principal')({ onBehalfOf: { onBehalfOf: { role: 'x' } } })).toHaveLength(1);
  });
});

test('deviations are about schemas that there are, and say why', () => {
  for (const { schema, why } of DEVIATIONS) {
    expect(Object.keys(CONTRACT.schemas)).toContain(schema);
    expect(why).toMatch(/^recorded: /);
  }
  for (const schema of Object.keys(FURTHER_FIELDS)) {
    expect(CONTRACT.schemas[schema]).toHaveProperty('x-bounded', true);
  }
});
