import { describe, expect, test, vi } from 'vitest';
import { digestHa1 } from '@linkspan/contract/api/digestAuthentication.ts';
import {
  ChallengeError,
  challengeHeader,
  verifyDigest,
} from '@linkspan/contract/serving/digest.ts';
import { Nonces } from '@linkspan/contract/serving/nonces.ts';
import { answerTo } from '../support/api.ts';

const KEY = Buffer.alloc(32, 7);
const CREDENTIALS = { publicKey: 'abcdefgh', privateKey: 'secret' };
const HA1 = digestHa1('abcdefgh', 'MMS Public API', 'secret');

function clock(start = 1_700_000_000_000) {
  let now = start;
  return { now: () => now, advance: (ms: number) => (now += ms) };
}

async function outcome(nonces: Nonces, authorization: string | undefined): Promise<string> {
  try {
    return await verifyDigest(
      { authorization, method: 'GET', target: '/a?b=c' },
      nonces,
      async (publicKey) => (publicKey === CREDENTIALS.publicKey ? HA1 : null),
    );
  } catch (error) {
    if (!(error instanceof ChallengeError)) throw error;
    return error.stale ? 'stale' : 'refused';
  }
}

function answer(nonces: Nonces, count = 1, nonce = nonces.issue()): string {
  return answerTo(challengeHeader(nonce, false), CREDENTIALS, 'GET', '/a?b=c', count);
}

describe('C7: Digest', () => {
  test('takes a right answer', async () => {
    const nonces = new Nonces(KEY);
    expect(await outcome(nonces, answer(nonces))).toBe('abcdefgh');
  });

  test('takes a target that is named as a whole URL', async () => {
    const nonces = new Nonces(KEY);
    const targets = ['/a?b=c', 'http://linkspan.example.com/a?b=c'];
    for (const target of targets) {
      for (const uri of targets) {
        const challenge = challengeHeader(nonces.issue(), false);
        const authorization = answerTo(challenge, CREDENTIALS, 'GET', uri);
        const request = { authorization, method: 'GET', target };
        expect(await verifyDigest(request, nonces, async () => HA1)).toBe('abcdefgh');
      }
    }
  });

  test('refuses what is missing, malformed or about something else', async () => {
    const nonces = new Nonces(KEY);
    const right = answer(nonces);
    for (const wrong of [
      undefined,
      'Digest',
      right.replace('qop=auth', 'qop=auth-int'),
      right.replace('algorithm=MD5', 'algorithm=SHA-256'),
      right.replace('realm="MMS Public API"', 'realm="Other"'),
      right.replace('uri="/a?b=c"', 'uri="/a?b=d"'),
      right.replace('uri="/a?b=c"', 'uri="http://linkspan.example.com/a?b=c"'),
      right.replace('nc=00000001', 'nc=1'),
      right.replace('nc=00000001', 'nc=00000002'),
      right.replace(/nonce="[^"]+"/, `nonce="${'A'.repeat(32)}"`),
      right.replace('username="abcdefgh"', 'username="nobodyxx"'),
    ]) {
      expect(await outcome(nonces, wrong)).toBe('refused');
    }
    expect(await outcome(nonces, right)).toBe('abcdefgh');
  });

  test('a nonce of another server is refused, an old one is stale', async () => {
    const time = clock();
    const nonces = new Nonces(KEY, time.now);
    const foreign = new Nonces(Buffer.alloc(32, 8), time.now).issue();
    expect(await outcome(nonces, answer(nonces, 1, foreign))).toBe('refused');
    const nonce = nonces.issue();
    expect(await outcome(nonces, answer(nonces, 1, nonce))).toBe('abcdefgh');
    time.advance(5 * 60_000 + 1);
    expect(await outcome(nonces, answer(nonces, 2, nonce))).toBe('stale');
  });

  test('an old nonce with a wrong answer is refused, not stale', async () => {
    const time = clock();
    const nonces = new Nonces(KEY, time.now);
    const wrong = answer(nonces).replace(/response="./, 'response="g');
    time.advance(5 * 60_000 + 1);
    expect(await outcome(nonces, wrong)).toBe('refused');
  });

  test('a nonce from before the start of the process is stale: its uses are not known', async () => {
    const time = clock();
    const nonce = new Nonces(KEY, time.now).issue();
    time.advance(1);
    const restarted = new Nonces(KEY, time.now);
    expect(await outcome(restarted, answer(restarted, 1, nonce))).toBe('stale');
  });

  test('a clock of the machine that is set back makes no nonce stale', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    try {
      const nonces = new Nonces(KEY);
      vi.setSystemTime(Date.now() - 48 * 3_600_000);
      expect(await outcome(nonces, answer(nonces, 1, nonces.issue()))).toBe('abcdefgh');
    } finally {
      vi.useRealTimers();
    }
  });

  test('a nonce count is taken once, in any order within a window', () => {
    const nonces = new Nonces(KEY);
    const nonce = nonces.issue();
    for (const count of [3, 1, 2, 300, 299, 45]) expect(nonces.use(nonce, count)).toBe(true);
    for (const count of [1, 2, 3, 44, 45, 299, 300, 0])
      expect(nonces.use(nonce, count)).toBe(false);
    expect(nonces.use(nonces.issue(), 1)).toBe(true);
  });

  test('many uses of one nonce do not pile up, and none is taken twice', () => {
    const nonces = new Nonces(KEY);
    const nonce = nonces.issue();
    for (let count = 1; count <= 5000; count += 1) {
      expect(nonces.use(nonce, count)).toBe(true);
      expect(nonces.use(nonce, count)).toBe(false);
    }
    expect(nonces.use(nonce, 4700)).toBe(false);
  });

  test('a nonce is 32 characters of base64, never the same', () => {
    const nonces = new Nonces(KEY);
    const issued = Array.from({ length: 100 }, () => nonces.issue());
    for (const nonce of issued) expect(nonce).toMatch(/^[A-Za-z0-9+/]{32}$/);
    expect(new Set(issued).size).toBe(100);
  });
});
