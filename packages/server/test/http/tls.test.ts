import { once } from 'node:events';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request, type RequestOptions } from 'node:https';
import { connect as connectPlain } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { connect, type TLSSocket } from 'node:tls';

import { PUSH_BASE } from '@linkspan/contract/push/version.ts';
import {
  type Authority,
  hasOpenssl,
  type Issued,
  makeAuthority,
} from '@linkspan/testkit/certificates.ts';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { loadConfig } from '../../src/config/config.ts';
import { createGateway } from '../../src/gateway/gateway.ts';
import { startServer, type RunningServer } from '../../src/main.ts';

const directory = mkdtempSync(join(tmpdir(), 'linkspan-tls-'));
const certFile = join(directory, 'server.pem');
const keyFile = join(directory, 'server.key');
const logged: string[] = [];
let servers: Authority;
let agents: Authority;
let agent: Issued;
let server: RunningServer;

/** As whoever renews certificates does: the one file, then the other. */
function install(issued: Issued): void {
  copyFileSync(issued.certFile, certFile);
  copyFileSync(issued.keyFile, keyFile);
}

const flags = (change: Readonly<Record<string, string>> = {}) => ({
  dataDir: join(directory, 'data'),
  port: '0',
  tlsCertFile: certFile,
  tlsKeyFile: keyFile,
  agentCaFile: agents.caFile,
  ...change,
});

beforeAll(async () => {
  if (!hasOpenssl) return;
  servers = makeAuthority(directory, 'servers');
  agents = makeAuthority(directory, 'agents');
  agent = agents.issue('agent');
  install(servers.issue('first'));
  server = await startServer({
    config: loadConfig(flags(), {}),
    log: pino({ level: 'info' }, { write: (line) => void logged.push(line) }),
    createGateway,
  });
});
afterAll(async () => {
  await server?.close();
  rmSync(directory, { recursive: true });
});

const trusting = (authority: Authority) => ({ ca: readFileSync(authority.caFile) });
const showing = ({ certFile: cert, keyFile: key }: Issued) => ({
  cert: readFileSync(cert),
  key: readFileSync(key),
});

async function ask(path: string, options: RequestOptions) {
  const call = request(server.url + path, { agent: false, ...options });
  call.end();
  const [answer] = (await once(call, 'response')) as [import('node:http').IncomingMessage];
  return { status: answer.statusCode, text: await text(answer) };
}

/** The name in the certificate that new connections are shown. */
async function shown(): Promise<string> {
  const socket = connect({
    port: Number(new URL(server.url).port),
    host: '127.0.0.1',
    ...trusting(servers),
  });
  await once(socket, 'secureConnect');
  const { subject } = socket.getPeerCertificate();
  socket.destroy();
  return String(subject.CN);
}

async function until(isSo: () => Promise<boolean> | boolean): Promise<void> {
  const end = performance.now() + 20_000;
  while (!(await isSo())) {
    if (performance.now() > end) throw new Error('it did not become so in 20 s');
    await delay(50);
  }
}

test.skipIf(!hasOpenssl)(
  'the server speaks TLS 1.2 and later alone, and its own URL is https',
  async () => {
    expect(server.url).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/);
    expect(await ask('/api/linkspan/v1/live', trusting(servers))).toMatchObject({ status: 200 });
    await expect(ask('/api/linkspan/v1/live', trusting(agents))).rejects.toThrow('certificate');
    const port = Number(new URL(server.url).port);
    const old = connect({
      port,
      host: '127.0.0.1',
      ...trusting(servers),
      minVersion: 'TLSv1',
      maxVersion: 'TLSv1.1',
      ciphers: 'DEFAULT@SECLEVEL=0',
    });
    await expect(once(old, 'secureConnect')).rejects.toThrow(/version|protocol/i);
    const plain = connectPlain(port, '127.0.0.1');
    plain.write('GET /api/linkspan/v1/live HTTP/1.1\r\nHost: x\r\n\r\n');
    expect(await text(plain)).not.toContain('200');
  },
);

test.skipIf(!hasOpenssl)(
  'agents have to show a certificate where that is asked for, and clients of the API need none',
  async () => {
    const post = { method: 'POST', ...trusting(servers) };
    const path = `${PUSH_BASE}/hosts`;
    const other = servers.issue('stranger');
    for (const options of [post, { ...post, ...showing(other) }]) {
      const refused = await ask(path, options);
      expect(refused.status).toBe(503);
      expect(JSON.parse(refused.text)).toMatchObject({ errorCode: 'CLIENT_CERTIFICATE_REFUSED' });
    }
    // Whoever passes is asked for a link-token next.
    const passed = await ask(path, { ...post, ...showing(agent) });
    expect(JSON.parse(passed.text)).toMatchObject({ errorCode: 'LINK_TOKEN_REFUSED' });
    expect((await ask('/api/atlas/v1.0/orgs', trusting(servers))).status).toBe(401);
  },
);

test.skipIf(!hasOpenssl)(
  'nobody says by a header that another node has seen a certificate',
  async () => {
    const forged = `${'a'.repeat(24)} ${Date.now()} 127.0.0.1 certificate ${'0'.repeat(64)}`;
    const headers = { 'linkspan-forwarded': forged };
    const answer = await ask(`${PUSH_BASE}/hosts`, {
      method: 'POST',
      ...trusting(servers),
      headers,
    });
    expect(JSON.parse(answer.text)).toMatchObject({ errorCode: 'NODE_UNAVAILABLE' });
  },
);

test.skipIf(!hasOpenssl)(
  'a new certificate is shown without a restart, a broken one is not, and why is logged once',
  async () => {
    const port = Number(new URL(server.url).port);
    const open: TLSSocket = connect({ port, host: '127.0.0.1', ...trusting(servers) });
    await once(open, 'secureConnect');
    writeFileSync(certFile, 'broken');
    await until(() => logged.some((line) => line.includes('does not begin with a certificate')));
    expect(await shown()).toBe('first');
    const second = servers.issue('second');
    // The key of the old one is still there.
    copyFileSync(second.certFile, certFile);
    await until(() => logged.some((line) => line.includes('is not that of the certificate')));
    expect(await shown()).toBe('first');
    copyFileSync(second.keyFile, keyFile);
    await until(async () => (await shown()) === 'second');
    expect(logged.filter((line) => line.includes('the old one stays'))).toHaveLength(2);
    // Whoever was connected still is.
    open.write('GET /api/linkspan/v1/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    expect(await text(open)).toContain('200 OK');
  },
);

test.skipIf(!hasOpenssl)('files that cannot be used together are named at the start', () => {
  const message = (change: Readonly<Record<string, string>>): string => {
    try {
      loadConfig(flags(change), {});
    } catch (error) {
      return (error as Error).message;
    }
    return '';
  };
  expect(message({ tlsCertFile: '' })).toContain('--tls-cert-file');
  expect(message({ tlsKeyFile: agent.keyFile })).toContain('--tls-cert-file: the key in');
  expect(message({ agentCaFile: join(directory, 'none') })).toContain('cannot be read (ENOENT)');
  expect(message({ nodeCaFile: keyFile })).toContain('--node-ca-file');
  const { tlsCertFile: _cert, tlsKeyFile: _key, ...without } = flags();
  expect(() => loadConfig(without, {})).toThrow('--agent-ca-file: certificates of agents');
});
