import { API_ERRORS } from '@linkspan/contract/api/errors.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { problemsOfChallenge, problemsOfError } from '../src/checks.ts';
import { CONTRACT } from '../src/contract.ts';
import { ERROR_CASES } from './errorCases.ts';
import { type Lab, startLab } from './lab.ts';
import { NEVER_ASKED_FOR, OBTAINED_ELSEWHERE, OUT_OF_REACH } from './outOfReach.ts';

let lab: Lab;
beforeAll(async () => {
  lab = await startLab();
});
afterAll(() => lab[Symbol.asyncDispose]());

describe('a request is answered with', () => {
  test.each(ERROR_CASES.map((item) => [item.status, item.code, item] as const))(
    '%i %s',
    async (_status, _code, { status, code, obtain }) => {
      const answer = await obtain(lab);
      const problems = problemsOfError(answer, { status, code });
      expect([answer.status, ...problems], answer.text).toEqual([status]);
      expect(answer.headers['content-type']).toBe('application/json');
      if (status === 429 || status === 503) {
        expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
      }
    },
  );

  test('401 UNEXPECTED_ERROR, the same without, with unknown and with wrong credentials', async () => {
    const wrong = { kind: 'digest', publicKey: 'nobodyxx', privateKey: 'nothing' } as const;
    const { credential } = lab.owner;
    if (credential?.kind !== 'digest') throw new Error('the owner has an API key');
    for (const as of [null, wrong, { ...credential, privateKey: 'nothing' }]) {
      expect(problemsOfChallenge(await lab.call('GET', '/orgs', { as }))).toEqual([]);
    }
  });
});

test('the text of each error is the one of the contract', () => {
  const texts = Object.values(API_ERRORS).flatMap(({ code, detail }) => {
    const known = CONTRACT.errorCodes.filter(({ errorCode }) => errorCode === code);
    const isSame = known.length === 0 || known.some((item) => [null, detail].includes(item.detail));
    return isSame ? [] : [`${code}: ${detail}`];
  });
  expect(texts).toEqual([]);
});

test('every code of the contract is obtained, or listed with the reason why it never is', () => {
  const obtained = new Set(ERROR_CASES.map(({ code, status }) => `${code} ${status}`));
  obtained.add('UNEXPECTED_ERROR 401');
  const listed = new Set(Object.values(OUT_OF_REACH).flat());
  const left = CONTRACT.errorCodes.filter(
    ({ errorCode, status }) =>
      !obtained.has(`${errorCode} ${status}`) &&
      !(`${errorCode} ${status}` in NEVER_ASKED_FOR) &&
      !listed.has(errorCode),
  );
  expect(left.map(({ errorCode, status }) => `${errorCode} ${status}`)).toEqual([]);
  expect([...listed].filter((code) => code in API_ERRORS)).toEqual([]);
});

test('every code of the catalogue is obtained', () => {
  const obtained = new Set(ERROR_CASES.map(({ code }) => code));
  const left = Object.keys(API_ERRORS).filter((code) => !obtained.has(code));
  expect(left.filter((code) => !(code in OBTAINED_ELSEWHERE))).toEqual([]);
});
