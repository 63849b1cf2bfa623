import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

import { hasOpenssl, makeAuthority } from '@linkspan/testkit/certificates.ts';
import { runLinkspan, startAgent, startServer } from '@linkspan/testkit/processes.ts';
import { afterAll, expect, test } from 'vitest';

const directory = mkdtempSync(join(tmpdir(), 'linkspan-cli-tls-'));
afterAll(() => rmSync(directory, { recursive: true }));

const AGENT = `projects:
  - id: '${'a'.repeat(24)}'
    name: Shop
    deployments: [{ name: orders, uri: 'mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=100' }]
`;

test.skipIf(!hasOpenssl)(
  'a server, an agent that shows a certificate, and the command line talk over TLS with private authorities',
  async () => {
    const servers = makeAuthority(directory, 'servers');
    const renewed = makeAuthority(directory, 'renewed');
    const agents = makeAuthority(directory, 'agents');
    const own = servers.issue('server');
    const mine = agents.issue('agent');
    const dataDir = join(directory, 'data');
    const made = await runLinkspan(['init', '--data-dir', dataDir, '-o', 'json']);
    const { apiKey, organization } = JSON.parse(made.stdout) as {
      apiKey: { publicKey: string; privateKey: string };
      organization: { id: string };
    };
    await using server = await startServer({
      args: ['--port', '0', '--data-dir', dataDir],
      env: {
        LINKSPAN_SERVER_TLS_CERT_FILE: own.certFile,
        LINKSPAN_SERVER_TLS_KEY_FILE: own.keyFile,
        LINKSPAN_SERVER_AGENT_CA_FILE: agents.caFile,
      },
    });
    const { url } = server.ready as { url: string };
    expect(url).toMatch(/^https:/);
    const env = {
      LINKSPAN_BASE_URL: url,
      LINKSPAN_PUBLIC_KEY: apiKey.publicKey,
      LINKSPAN_PRIVATE_KEY: apiKey.privateKey,
      LINKSPAN_ORG_ID: organization.id,
    };
    const untrusting = await runLinkspan(['orgs', 'list'], { env });
    expect(untrusting).toMatchObject({ code: 1, stdout: '' });
    expect(untrusting.stderr).toContain('certificate');
    const tokenFile = join(directory, 'token');
    const create = ['lm', 'link', 'create', '--linkTokenFile', tokenFile];
    const linked = await runLinkspan([...create, '--tlsCaFile', servers.caFile], { env });
    expect(linked).toMatchObject({ code: 0 });

    const config = join(directory, 'agent.yaml');
    writeFileSync(config, AGENT);
    const caFile = join(directory, 'trusted.pem');
    copyFileSync(servers.caFile, caFile);
    await using agent = await startAgent({
      args: ['--config', config, '--link-token-file', tokenFile],
      env: {
        LINKSPAN_AGENT_TLS_CA_FILE: caFile,
        LINKSPAN_AGENT_TLS_CERT_FILE: mine.certFile,
        LINKSPAN_AGENT_TLS_KEY_FILE: mine.keyFile,
      },
    });
    expect(agent.ready).toMatchObject({ endpoint: url, orgId: organization.id });

    // Another authority, and no process is started again.
    const next = renewed.issue('server');
    copyFileSync(next.certFile, own.certFile);
    copyFileSync(next.keyFile, own.keyFile);
    copyFileSync(renewed.caFile, caFile);
    const described = { ...env, LINKSPAN_TLS_CA_FILE: renewed.caFile };
    for (let attempt = 0; ; attempt++) {
      const { code } = await runLinkspan(['lm', 'link', 'describe'], { env: described });
      if (code === 0) break;
      if (attempt > 20) throw new Error(await server.log());
      await delay(200);
    }
  },
  180_000,
);
