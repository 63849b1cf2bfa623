import { expect, test } from 'vitest';
import { CreateProject } from '../../src/api/projects.ts';
import { ApiError } from '../../src/serving/apiError.ts';
import { checkBody } from '../../src/serving/body.ts';

const PROJECT = { name: 'A project', orgId: 'a'.repeat(24) };

function errorOf(body: unknown): ApiError {
  try {
    checkBody(CreateProject, body);
  } catch (error) {
    if (error instanceof ApiError) return error;
    throw error;
  }
  throw new Error('the body was taken');
}

test.each([1, 7, 8, 9, 1000])('%i unknown attributes are refused by name', (count) => {
  const unknown = Array.from({ length: count }, (_, index) => [`a${index}`, 1] as const);
  const error = errorOf({ ...PROJECT, ...Object.fromEntries(unknown) });
  expect(error).toMatchObject({ code: 'INVALID_ATTRIBUTE', parameters: ['a0'] });
  expect(error.fields[0]).toEqual({
    field: 'a0',
    description: 'is not an attribute of this request',
  });
  expect(error.fields.length).toBe(Math.min(count, 8));
});

test('names are told as they were sent', () => {
  for (const name of ['a/b', 'a~b', 'a~1b', 'a.b', '']) {
    expect(errorOf({ ...PROJECT, [name]: 1 }).parameters).toEqual([name]);
  }
  const tags = [{ key: 'a', value: 'b', more: 1 }];
  expect(errorOf({ ...PROJECT, tags }).parameters).toEqual(['tags.0.more']);
});
