import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CONTRACT } from '../src/contract.ts';
import { FIXTURES } from '../src/fixtures/all.ts';
import { problemsOf, walkOperation, walkPresentation } from '../src/walk.ts';
import { startWorld, type World } from '../src/world.ts';

test('every operation of the contract has a fixture, and no other', () => {
  const ids = CONTRACT.operations.map(({ operationId }) => operationId);
  expect(Object.keys(FIXTURES).toSorted()).toEqual(ids.toSorted());
  expect(ids).toHaveLength(54);
});

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world[Symbol.asyncDispose]());

const each = CONTRACT.operations.map((operation) => [operation.operationId, operation] as const);

describe('every version answers every role and way in as the contract has it:', () => {
  test.each(each)('%s', async (_id, operation) => {
    expect(problemsOf(await walkOperation(world, operation))).toEqual([]);
  });
});

describe('every version puts its answer into an envelope, and indents it, where asked to:', () => {
  test.each(each)('%s', async (_id, operation) => {
    expect(await walkPresentation(world, operation)).toEqual([]);
  });
});
