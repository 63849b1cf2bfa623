import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/config.ts';
import { redact } from '../../src/config/logger.ts';
import { loadStoreOptions } from '../../src/config/storeOptions.ts';

const directory = mkdtempSync(join(tmpdir(), 'linkspan-config-'));
const file = join(directory, 'server.yaml');
afterAll(() => rmSync(directory, { recursive: true }));

test('flags, environment and file make one configuration', () => {
  writeFileSync(file, 'dataDir: data\nport: 1\nallowedNetworks: 127.0.0.1, 10.0.0.0/8\n');
  const config = loadConfig(
    { config: file, port: '0' },
    { LINKSPAN_SERVER_PUBLIC_URL: 'https://linkspan.example.com/' },
  );
  expect(config).toMatchObject({
    options: { port: 0, host: '127.0.0.1', rateLimits: true, removalWaitSeconds: 30 },
    store: { dataDirectory: join(directory, 'data'), masterKeyFile: null },
    allowedNetworks: ['127.0.0.1/32', '10.0.0.0/8'],
    publicUrl: 'https://linkspan.example.com',
  });
  expect(loadStoreOptions({ dataDir: '/d', masterKeyFile: '/k' }, {})).toEqual({
    dataDirectory: '/d',
    masterKeyFile: '/k',
  });
});

test('what is wrong is named: key and line, flag, network, URL', () => {
  writeFileSync(file, 'port: 1\nprot: 2\n');
  expect(() => loadConfig({ config: file }, {})).toThrow(`${file}:2: unknown key "prot"`);
  expect(() => loadConfig({ port: 'x' }, {})).toThrow('--port: "x" is not a whole number');
  expect(() => loadConfig({ allowedNetworks: 'here' }, {})).toThrow(
    '--allowed-networks: "here" is not an address or a CIDR block',
  );
  expect(() => loadConfig({ publicUrl: 'https://a.example.com/path' }, {})).toThrow('--public-url');
});

test('what is wrong with a value of the file is named with its line, all at once, no password quoted', () => {
  writeFileSync(
    file,
    'port: 1\nallowedNetworks: 10.0.0.0/8, 300.1.1.1\npublicUrl: https://u:secret@a.example.com\n',
  );
  let message = '';
  try {
    loadConfig({ config: file, trustedProxies: 'here' }, {});
  } catch (error) {
    ({ message } = error as Error);
  }
  expect(message.split('\n')).toEqual([
    expect.stringContaining(`${file}:3: "publicUrl": must be a URL`),
    `${file}:2: "allowedNetworks": "300.1.1.1" is not an address or a CIDR block`,
    '--trusted-proxies: "here" is not an address or a CIDR block',
  ]);
  expect(message).not.toContain('secret');
  writeFileSync(file, '- port\n');
  expect(() => loadConfig({ config: file }, {})).toThrow('the file must be keys with values');
});

test('C5: the connection string of the store comes from where no other user can read it', () => {
  const url = 'postgres://linkspan:secret@db.example.com/linkspan';
  const read = (flags: object, environment = {}) => loadConfig({ ...flags }, environment).store.url;
  expect(read({})).toBeUndefined();
  expect(read({}, { LINKSPAN_SERVER_STORE: url })).toBe(url);
  expect(read({ store: 'postgres://linkspan@host/d' })).toBe('postgres://linkspan@host/d');
  writeFileSync(file, `${url}\n`);
  expect(read({ storeFile: file })).toBe(url);
  expect(loadStoreOptions({ storeFile: file, storeConnections: '3' }, {})).toMatchObject({
    url,
    connections: 3,
  });
  for (const [flags, environment, message] of [
    [{ store: url }, {}, 'LINKSPAN_SERVER_STORE'],
    [{ store: 'postgres://h/d?password=secret' }, {}, '--store-file'],
    [{ store: 'mysql://u:secret@h/d' }, {}, '--store: must be a connection string'],
    [{ storeFile: file }, { LINKSPAN_SERVER_STORE: url }, '--store-file: not beside'],
    [{ storeFile: join(directory, 'missing') }, {}, 'cannot be read (ENOENT)'],
  ] as const) {
    expect(() => read(flags, environment)).toThrow(message);
    expect(() => read(flags, environment)).not.toThrow('secret');
  }
});

test('no credentials and no link-token are logged', () => {
  expect(redact('at mongodb+srv://user:pass@host/ with lslt_eyJ2Ijox-_9')).toBe(
    'at mongodb+srv://***@host/ with lslt_***',
  );
  expect(redact('postgresql://u:p@h/d and postgres://h/d?password=secret&sslmode=require')).toBe(
    'postgresql://***@h/d and postgres://h/d?password=***&sslmode=require',
  );
  expect(redact('"mongodb://u:p@ss/word@h/","postgres://u:p@ss@h/d"')).toBe(
    '"mongodb://***@h/","postgres://***@h/d"',
  );
});
