import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';

import { digestHa1 } from '@linkspan/contract/api/digestAuthentication.ts';
import { ConfigurationError } from '@linkspan/contract/options/declare.ts';
import { afterAll, expect, test } from 'vitest';

import { loadConfig } from '../../src/config/config.ts';
import { linkTokenSource } from '../../src/config/linkToken.ts';

const directory = mkdtempSync(join(tmpdir(), 'linkspan-agent-config-'));
const file = join(directory, 'agent.yaml');
afterAll(() => rmSync(directory, { recursive: true }));

const GOOD = `
hostname: host1.example.com
stateDir: state
projects:
  - id: 0123456789abcdef01234567
    name: Shop
    deployments:
      - name: rs0
        uri: mongodb://user:secret@db1:27017/?replicaSet=rs0
      - name: rs1
        uriFile: rs1.uri
`;

function problemsOf(text: string): readonly string[] {
  writeFileSync(file, text);
  try {
    loadConfig({ config: file }, {});
    return [];
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    return error.problems.map((problem) => problem.replaceAll(file, 'F'));
  }
}

test('a whole configuration is read, files and state relative to it', () => {
  writeFileSync(file, GOOD);
  writeFileSync(join(directory, 'rs1.uri'), 'mongodb+srv://u:p@cluster.example.com\n');
  const config = loadConfig(
    { config: file, logLevel: 'debug' },
    { LINKSPAN_AGENT_LOG_LEVEL: 'warn' },
  );
  expect(config.options).toMatchObject({ stateDir: join(directory, 'state'), logLevel: 'debug' });
  expect(config.hostname).toBe('host1.example.com');
  expect(config.projects[0]?.deployments.map(({ name, uri }) => [name, uri])).toEqual([
    ['rs0', 'mongodb://user:secret@db1:27017/?replicaSet=rs0'],
    ['rs1', 'mongodb+srv://u:p@cluster.example.com'],
  ]);
});

test('unknown keys, wrong types and missing keys are named with file and line', () => {
  expect(problemsOf(GOOD.replace('hostname:', 'hostnam:'))).toEqual([
    expect.stringMatching(/^F:2: unknown key "hostnam"; known: .*hostname, projects$/),
  ]);
  expect(problemsOf(GOOD.replace('0123456789abcdef01234567', 'shop'))).toEqual([
    'F:5: "projects.0.id" must be 24 lower-case hexadecimal digits, in quotes',
  ]);
  expect(problemsOf(GOOD.replace('name: Shop', 'nme: Shop'))).toEqual([
    'F:5: "name" is missing in "projects.0"',
    'F:6: unknown key "nme"; known: id, name, deployments',
  ]);
  expect(problemsOf('projects: none')).toEqual([
    'F:1: "projects" must be a list of at least one project',
  ]);
});

test('duplicates and deployments without a usable connection string are named with their line', () => {
  const again = GOOD.replace('name: rs1', 'name: rs0');
  expect(problemsOf(again)).toEqual(['F:10: the project "Shop" has a deployment "rs0" already']);
  const twice = GOOD + GOOD.slice(GOOD.indexOf('  - id'));
  expect(problemsOf(twice)).toEqual([
    'F:12: the project 0123456789abcdef01234567 is there already (F:5)',
  ]);
  expect(problemsOf(GOOD.replace('uriFile: rs1.uri', 'uriFile: none.uri'))).toEqual([
    'F:11: "uriFile" none.uri cannot be read (ENOENT)',
  ]);
  expect(problemsOf(GOOD.replace('        uriFile: rs1.uri\n', ''))).toEqual([
    'F:10: the deployment "rs1" needs either "uri" or "uriFile"',
  ]);
});

test('no problem quotes a connection string', () => {
  const [problem] = problemsOf(GOOD.replace('mongodb://user:secret', 'mongo://user:secret'));
  expect(problem).toBe('F:9: the connection string of "rs0" does not start with mongodb://');
  for (const broken of [
    'user:hun@ter2@db1:27017',
    'user:hun/ter2@db1:27017',
    'user:hun@ter2/@db1:27017',
    'user:hun@db1:27017/?ter2@db1:27017',
    'user:hun:ter2@db1:27017',
    'user%ter2:hun@db1:27017',
    'user:hunter2',
  ]) {
    const problems = problemsOf(GOOD.replace('user:secret@db1:27017', broken));
    expect(problems).toEqual([
      expect.stringContaining(
        'F:9: the connection string of "rs0" cannot be read: in its user name',
      ),
    ]);
    expect(problems.join()).not.toContain('ter2');
  }
  const escaped = 'user%40example:p%40s%2Fs@db1:27017,[::1]:27018,db3';
  expect(problemsOf(GOOD.replace('user:secret@db1:27017', escaped))).toEqual([]);
});

const ADMIN = {
  config: file,
  adminPort: '0',
  adminOrgId: '5f00000000000000000000aa',
  adminPublicKey: 'abcdefgh',
};

test('the private key of the admin port comes from a file or the environment, which is emptied', () => {
  writeFileSync(file, GOOD);
  expect(loadConfig({ config: file }, { LINKSPAN_AGENT_ADMIN_ORG_ID: 'x' }).admin).toBeNull();
  const privateKey = 'b3a9e7f0-1111-4222-8333-444455556666';
  const environment = { LINKSPAN_AGENT_ADMIN_PRIVATE_KEY: privateKey };
  const { admin } = loadConfig(ADMIN, environment);
  expect(environment).toEqual({});
  const ha1 = digestHa1('abcdefgh', 'MMS Public API', privateKey);
  expect(admin).toEqual({
    host: '127.0.0.1',
    port: 0,
    orgId: ADMIN.adminOrgId,
    publicKey: 'abcdefgh',
    ha1,
  });
  const keyFile = join(directory, 'admin.key');
  writeFileSync(keyFile, `${privateKey}\n`);
  expect(loadConfig({ ...ADMIN, adminPrivateKeyFile: keyFile }, {}).admin?.ha1).toBe(ha1);
  writeFileSync(file, `adminPrivateKeyFile: admin.key\nadminPort: 27999\n${GOOD}`);
  const { adminOrgId, adminPublicKey } = ADMIN;
  expect(loadConfig({ config: file, adminOrgId, adminPublicKey }, {}).admin).toMatchObject({
    port: 27_999,
    ha1,
  });
});

test('what an admin port lacks is named at once, and no part of a key', () => {
  writeFileSync(file, GOOD);
  const problemsWith = (flags: object, privateKey?: string): readonly string[] => {
    try {
      loadConfig({ config: file, ...flags }, { LINKSPAN_AGENT_ADMIN_PRIVATE_KEY: privateKey });
      return [];
    } catch (error) {
      return (error as ConfigurationError).problems;
    }
  };
  expect(problemsWith({ adminPort: '0' })).toEqual([
    expect.stringMatching(/^--admin-org-id: .* 24 lower-case hexadecimal digits$/),
    expect.stringMatching(/^--admin-public-key: /),
    expect.stringMatching(/^LINKSPAN_AGENT_ADMIN_PRIVATE_KEY: .* at least 16 characters$/),
  ]);
  const [short] = problemsWith(ADMIN, 'short-key');
  expect(short).not.toContain('short-key');
  expect(problemsWith({ ...ADMIN, adminPrivateKeyFile: '/nowhere/key' })).toEqual([
    '--admin-private-key-file: /nowhere/key cannot be read (ENOENT)',
  ]);
});

test('without --config it says so', () => {
  expect(() => loadConfig({}, {})).toThrow('--config is missing');
});

test('C5: the link-token comes from a file, standard input or the environment, which is emptied', async () => {
  const tokenFile = join(directory, 'token');
  writeFileSync(tokenFile, 'from-file\n');
  const environment = { LINKSPAN_LINK_TOKEN: 'from-environment' };
  const empty = Readable.from([]);
  expect(await linkTokenSource(undefined, environment, empty)()).toBe('from-environment');
  expect(environment).toEqual({});
  expect(await linkTokenSource(undefined, environment, empty)()).toBeNull();
  expect(await linkTokenSource(tokenFile, { LINKSPAN_LINK_TOKEN: 'x' }, empty)()).toBe('from-file');
  const input = Readable.from(['from-input\n']);
  expect(await linkTokenSource('-', {}, input)()).toBe('from-input');
  await expect(linkTokenSource(join(directory, 'none'), {}, empty)()).rejects.toThrow('ENOENT');
});
