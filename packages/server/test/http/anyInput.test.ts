import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CreateCluster } from '@linkspan/contract/api/clusters.ts';
import {
  CreateLiveMigration20230101,
  CreateLiveMigration20240530,
} from '@linkspan/contract/api/liveMigrations.ts';
import { AddAccessListEntries, CreateOrgApiKey } from '@linkspan/contract/api/apiKeys.ts';
import { addressList, normaliseCidr } from '../../src/domain/addresses.ts';
import { ApiError } from '@linkspan/contract/serving/apiError.ts';
import { checkDestinationUri, DestinationUriError } from '../../src/domain/destinationUri.ts';
import { checkBody, parseJson } from '@linkspan/contract/serving/body.ts';
import {
  ChallengeError,
  challengeHeader,
  verifyDigest,
} from '@linkspan/contract/serving/digest.ts';
import { Nonces } from '@linkspan/contract/serving/nonces.ts';
import { dropEmptyAttributes } from '../../src/operations/migrationRequest.ts';
import { answerTo } from '../support/api.ts';
import { migrationBody } from '../support/link.ts';

const GROUP = 'c'.repeat(24);

/** The body with one value somewhere in it replaced. */
function damaged(value: unknown, path: readonly string[], by: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return by;
  return {
    ...(value as object),
    [key]: damaged((value as Record<string, unknown>)[key], rest, by),
  };
}

function answersAsApiError(run: () => void): void {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(ApiError);
    if (!(error instanceof ApiError)) return;
    expect(error.status).toBe(400);
    expect(error.message).not.toContain('%s');
    expect(error.message).not.toContain('undefined');
  }
}

test('any JSON in place of a body is taken or refused with an error of the catalogue', () => {
  const schemas = [
    CreateCluster,
    CreateLiveMigration20230101,
    CreateLiveMigration20240530,
    CreateOrgApiKey,
    AddAccessListEntries,
  ];
  fc.assert(
    fc.property(fc.constantFrom(...schemas), fc.json(), (schema, json) => {
      answersAsApiError(() => checkBody(schema, parseJson(Buffer.from(json), undefined)));
    }),
  );
});

test('any JSON in place of one attribute is taken or refused with an error of the catalogue', () => {
  const paths = [
    ['destination'],
    ['destination', 'groupId'],
    ['destination', 'hostnameSchemaType'],
    ['migrationHosts'],
    ['source'],
    ['source', 'username'],
    ['source', 'ssl'],
    ['other'],
  ];
  fc.assert(
    fc.property(fc.constantFrom(...paths), fc.jsonValue(), (path, value) => {
      const body = dropEmptyAttributes(damaged(migrationBody(GROUP), path, value));
      answersAsApiError(() => checkBody(CreateLiveMigration20240530, body));
    }),
  );
});

test('any Authorization header is a challenge, never a crash', async () => {
  const nonces = new Nonces(Buffer.alloc(32, 1));
  const challenge = challengeHeader(nonces.issue(), false);
  const right = answerTo(challenge, { publicKey: 'a', privateKey: 'b' }, 'GET', '/');
  const header = fc.oneof(
    fc.string(),
    fc.string().map((text) => `Digest ${text}`),
    fc
      .tuple(fc.nat(right.length), fc.string({ maxLength: 4 }))
      .map(([at, text]) => right.slice(0, at) + text + right.slice(at + text.length)),
  );
  await fc.assert(
    fc.asyncProperty(header, async (authorization) => {
      const call = { authorization, method: 'GET', target: '/' };
      await expect(verifyDigest(call, nonces, async () => null)).rejects.toThrow(ChallengeError);
    }),
  );
});

test('any text is an address or not, and a connection string or not', () => {
  const text = fc.oneof(
    fc.string(),
    fc.ipV4(),
    fc.ipV6(),
    fc.string().map((rest) => `mongodb://${rest}`),
    fc.ipV6().map((address) => `mongodb://u:p@[${address}]:1/`),
  );
  const allowed = addressList([]);
  fc.assert(
    fc.property(text, (candidate) => {
      const cidr = normaliseCidr(candidate);
      if (cidr !== null) expect(normaliseCidr(cidr)).toBe(cidr);
      try {
        checkDestinationUri(candidate, allowed);
      } catch (error) {
        expect(error).toBeInstanceOf(DestinationUriError);
      }
    }),
  );
});

test('texts that no store can keep are malformed JSON', () => {
  const bodies = [
    Buffer.from(String.raw`{"name":"a\u0000b"}`),
    Buffer.from(String.raw`["\ud800"]`),
    Buffer.from([0x22, 0xff, 0x22]),
    Buffer.from('\ufeff{}'),
  ];
  for (const body of bodies) {
    expect(() => parseJson(body, undefined)).toThrow('Received JSON is malformed.');
  }
  expect(parseJson(Buffer.from('{"name":"\u{1F600}"}'), undefined)).toEqual({ name: '\u{1F600}' });
});
