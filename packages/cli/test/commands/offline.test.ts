import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { runLinkspan, type CommandOptions } from '@linkspan/testkit/processes.ts';
import { afterAll, expect, test } from 'vitest';

const directory = mkdtempSync(join(tmpdir(), 'linkspan-cli-'));
const file = join(directory, 'linkspan', 'config.yaml');
afterAll(() => rmSync(directory, { recursive: true }));

/** Whom to call is known, and nobody is there. */
const NOBODY = {
  LINKSPAN_BASE_URL: 'http://127.0.0.1:1',
  LINKSPAN_PUBLIC_KEY: 'abcdefgh',
  LINKSPAN_PRIVATE_KEY: 'key',
};

function linkspan(args: readonly string[], options: CommandOptions = {}) {
  const env = { XDG_CONFIG_HOME: directory, ...options.env };
  return runLinkspan(args, { ...options, env });
}

test('profiles are kept in a file of one user, and their private keys masked', async () => {
  const flags = ['--baseUrl', 'http://127.0.0.1:1', '--publicKey', 'abcdefgh', '--orgId', 'o1'];
  const privateKey = '01234567-89ab-cdef-0123-456789abcdef';
  const init = await linkspan(['config', 'init', ...flags], { input: `${privateKey}\n` });
  expect(init).toMatchObject({ code: 0, stderr: '' });
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(readFileSync(file, 'utf8')).toContain(privateKey);

  const set = ['config', 'set', 'projectId', 'p1', '--profile', 'other'];
  expect(await linkspan(set)).toMatchObject({ code: 0 });
  const { stdout } = await linkspan(['config', 'list', '-o', 'json']);
  expect(JSON.parse(stdout)).toEqual([
    {
      name: 'default',
      baseUrl: 'http://127.0.0.1:1',
      publicKey: 'abcdefgh',
      privateKey: '********-****-****-456789abcdef',
      orgId: 'o1',
    },
    { name: 'other', projectId: 'p1' },
  ]);

  const call = await linkspan(['orgs', 'list']);
  expect(call).toMatchObject({ code: 1, stdout: '' });
  expect(call.stderr).toContain('http://127.0.0.1:1/api/atlas/v2/orgs');
  expect(call.stderr).toContain('connection refused');
});

test('a profile signs in with an API key or as a service account, the last that was set up', async () => {
  const secret = `mdb_sa_sk_${'s'.repeat(40)}`;
  const account = `mdb_sa_id_${'a'.repeat(24)}`;
  const init = ['config', 'init', '--profile', 'account', '--baseUrl', 'http://127.0.0.1:1'];
  const read = async () => {
    const { stdout } = await linkspan(['config', 'list', '-o', 'json']);
    const profiles = JSON.parse(stdout) as { name: string }[];
    return profiles.find(({ name }) => name === 'account');
  };
  await linkspan([...init, '--publicKey', 'abcdefgh'], { input: '01234567-89ab-cdef\n' });
  const made = await linkspan([...init, '--clientId', account], { input: `${secret}\n` });
  expect(made).toMatchObject({ code: 0, stderr: '' });
  expect(await read()).toEqual({
    name: 'account',
    baseUrl: 'http://127.0.0.1:1',
    clientId: account,
    clientSecret: `mdb_sa_sk_${'*'.repeat(36)}ssss`,
  });
  const call = await linkspan(['orgs', 'list', '-P', 'account']);
  expect(call).toMatchObject({ code: 1, stdout: '' });
  expect(call.stderr).toContain('http://127.0.0.1:1/api/oauth/token: no answer');
  const env = { LINKSPAN_CLIENT_ID: account, LINKSPAN_CLIENT_SECRET: secret };
  const [both, clear, typed] = await Promise.all([
    linkspan(['orgs', 'list'], { env: { ...NOBODY, ...env } }),
    linkspan(['orgs', 'list', '--baseUrl', 'http://linkspan.example.com'], { env }),
    linkspan(['config', 'set', 'clientSecret', secret]),
  ]);
  expect(both.stderr).toContain('are both set: unset one of them');
  expect(clear.stderr).toContain('would carry the client secret in the clear: use https');
  expect(typed.stderr).toContain('give it on standard input');
  for (const { code, stderr } of [both, clear, typed]) {
    expect(code).toBe(2);
    expect(stderr).not.toContain(secret);
  }
});

test('a private key is refused as an argument', async () => {
  const result = await linkspan(['config', 'set', 'privateKey', 'secret']);
  expect(result).toMatchObject({ code: 2, stdout: '' });
  expect(result.stderr).toContain('give it on standard input');
  expect(result.stderr).not.toContain('secret');
});

test('a secret that is set comes from standard input, whatever the environment holds', async () => {
  const env = { ...NOBODY, LINKSPAN_CLIENT_SECRET: 'of-the-environment' };
  for (const key of ['privateKey', 'clientSecret']) {
    const set = ['config', 'set', key, '--profile', 'typed'];
    const result = await linkspan(set, { env, input: `typed-${key}\n` });
    expect(result).toMatchObject({ code: 0, stderr: '' });
    expect(readFileSync(file, 'utf8')).toContain(`${key}: typed-${key}\n`);
  }
});

test('wrong usage ends with 2 and names what is wrong', async () => {
  const results = await Promise.all([
    linkspan(['lm', 'lnk']),
    linkspan(['orgs', 'list', '--profile', 'nobody']),
    linkspan(['server', '--port', '99999']),
    linkspan(['agent']),
    linkspan(['init', 'a<b', '--data-dir', join(directory, 'data')]),
    linkspan(['clusters', 'list', '--projectId', '../orgs'], { env: NOBODY }),
    linkspan(['orgs', 'list', '--baseUrl', 'ftp://host'], { env: NOBODY }),
    linkspan(['config', 'set', 'baseUrl', 'host']),
    linkspan(['config', 'set', 'privateKey']),
  ]);
  expect(results.map(({ code }) => code)).toEqual(results.map(() => 2));
  const [unknown, profile, port, agent, name, id, scheme, baseUrl, privateKey] = results.map(
    ({ stderr }) => stderr,
  );
  expect(unknown).toContain("unknown command 'lnk'");
  expect(profile).toContain('there is no profile "nobody"; known: ');
  expect(port).toContain('--port: "99999" is not a whole number from 0 to 65535');
  expect(agent).toContain('--config is missing');
  expect(name).toContain(`"a<b" cannot be an organization's name`);
  expect(id).toContain('projectId "../orgs" is not an ID');
  expect(scheme).toContain('"ftp://host" is not the URL of a server');
  expect(baseUrl).toContain('"host" is not the URL of a server');
  expect(privateKey).toContain('no private API key was given: use standard input');
});

test('a link-token is not made where it cannot be kept', async () => {
  const env = { ...NOBODY, LINKSPAN_ORG_ID: '0123456789abcdef01234567' };
  for (const path of [directory, join(directory, 'nowhere', 'token')]) {
    const result = await linkspan(['lm', 'link', 'create', '--linkTokenFile', path], { env });
    // Not 1: nobody answers at the base URL, so nothing was asked of it.
    expect(result).toMatchObject({ code: 2, stdout: '' });
    expect(result.stderr).toContain(`--linkTokenFile: ${path} cannot be written (E`);
  }
});

test('a wrong configuration file of an agent is named with its line, without secrets', async () => {
  const path = join(directory, 'agent.yaml');
  const deployment = '{name: rs0, uri: "mongodb://u:secret@db", urx: 1}';
  writeFileSync(path, `projects:\n  - id: "1"\n    name: A\n    deployments: [${deployment}]\n`);
  const { code, stderr } = await linkspan(['agent', '--config', path]);
  expect(code).toBe(2);
  expect(stderr).toContain(`${path}:2: "projects.0.id" must be 24 lower-case hexadecimal digits`);
  expect(stderr).toContain(`${path}:4: unknown key "urx"; known: name, uri, uriFile`);
  expect(stderr).not.toContain('secret');
});

test('help and version end with 0', async () => {
  const [version, ...helps] = await Promise.all([
    linkspan(['--version']),
    linkspan(['--help']),
    linkspan(['lm', '--help']),
    linkspan(['lm', 'link', '--help']),
    linkspan(['lm', 'link', 'delete', '--help']),
  ]);
  for (const help of helps) expect(help).toMatchObject({ code: 0, stderr: '' });
  const [all, noun, verbs, verb] = helps.map(({ stdout }) => stdout);
  expect(all).toContain('Exit codes:');
  expect(noun).toMatch(/^ {2}link /m);
  expect(verbs).toMatch(/^ {2}delete\|rm /m);
  expect(verb).toContain('--force');
  expect(version).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
});
