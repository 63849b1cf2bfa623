import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CONTRACT } from '../src/contract.ts';
import { FIXTURES } from '../src/fixtures/all.ts';
import { problemsOf, walkOperation } from '../src/walk.ts';
import { startWorld, type World } from '../src/world.ts';

test('every operation of the contract has a fixture, and no other', () => {
  const ids = CONTRACT.operations.map(({ operationId }) => operationId);
  expect(Object.keys(FIXTURES).toSorted()).toEqual(ids.toSorted());
  expect(ids).toHaveLength(54);
});

describe('every version answers every role as the contract has it:', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld();
  });
  afterAll(() => world[Symbol.asyncDispose]());

  test.each(CONTRACT.operations.map((operation) => [operation.operationId, operation] as const))(
    '%s',
    async (_id, operation) => {
      expect(problemsOf(await walkOperation(world, operation))).toEqual([]);
    },
  );
});
