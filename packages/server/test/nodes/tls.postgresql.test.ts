import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

import {
  PUSH_BASE,
  PUSH_VERSION,
  SESSION_HEADER,
  VERSION_HEADER,
} from '@linkspan/contract/push/version.ts';
import { hasOpenssl, type Issued, makeAuthority } from '@linkspan/testkit/certificates.ts';
import { expect, test } from 'vitest';

import { loadConfig } from '../../src/config/config.ts';
import { makeLogger } from '../../src/config/logger.ts';
import { newId } from '../../src/domain/ids.ts';
import { secretHash } from '../../src/domain/keyPair.ts';
import { timestamp } from '../../src/domain/time.ts';
import { createGateway } from '../../src/gateway/gateway.ts';
import { type RunningServer, startServer } from '../../src/main.ts';
import * as clusters from '../../src/store/clusters.ts';
import * as pushSessions from '../../src/store/pushSessions.ts';
import type { Store } from '../../src/store/store.ts';
import { textOf } from '../support/api.ts';
import { linkHost, makeDestination, migrationBody } from '../support/link.ts';
import { hasPostgreSQL, newDatabase } from '../support/postgresql.ts';
import { startTestServer } from '../support/server.ts';

const SECRET = 'host-secret';

test.skipIf(!hasPostgreSQL || !hasOpenssl)(
  'C6: a request is handed on over TLS with what was seen of its certificate, and refused by the holder without',
  async () => {
    await using resources = new AsyncDisposableStack();
    const directory = mkdtempSync(join(tmpdir(), 'linkspan-nodes-tls-'));
    resources.defer(() => rmSync(directory, { recursive: true }));
    const { url: storeUrl } = resources.use(await newDatabase());
    const nodeCa = makeAuthority(directory, 'nodes');
    const agentCa = makeAuthority(directory, 'agents');
    const agent = agentCa.issue('agent');
    const own = nodeCa.issue('node');
    const plain = resources.use(await startTestServer({}, storeUrl));
    const { hostId, linkId } = await linkHost(plain);
    const groupId = await makeDestination(plain);
    const migrations = `/api/atlas/v2/groups/${groupId}/liveMigrations`;
    const made = await plain.api.call('POST', migrations, { body: migrationBody(groupId) });
    const flags = {
      dataDir: plain.dataDirectory,
      port: '0',
      tlsCertFile: own.certFile,
      tlsKeyFile: own.keyFile,
      nodeCaFile: nodeCa.caFile,
    };
    const environment = { LINKSPAN_SERVER_STORE: storeUrl };
    const start = async (more: Readonly<Record<string, string>>) => {
      const seen: { store?: Store } = {};
      const server = resources.use(
        await startServer({
          config: loadConfig({ ...flags, ...more }, environment),
          log: makeLogger('silent'),
          createGateway: (dependencies) => {
            seen.store = dependencies.store;
            return createGateway(dependencies);
          },
        }),
      );
      return { server, store: seen.store as Store };
    };
    const demanding = { agentCaFile: agentCa.caFile };
    const holder = await start(demanding);
    const other = await start(demanding);
    // As where the option is given to one node after the other.
    const lax = await start({});
    const stranger = await start({ nodeCaFile: agentCa.caFile });

    const secretOfHost = { secret_hash: secretHash(SECRET) };
    await holder.store.db.updateTable('migration_hosts').set(secretOfHost).execute();
    const sessionId = newId();
    await holder.store.transaction(async (tx) => {
      const [cluster] = await clusters.listByProject(tx, groupId);
      const { dialect, nodeId } = holder.store;
      const row = {
        id: sessionId,
        migration_id: textOf(made, '_id'),
        link_id: linkId,
        cluster_id: cluster?.id ?? '',
        epoch: 1,
        secret_hash: secretHash('session'),
        state: 'OPEN' as const,
        opened_at: timestamp(),
        connection_name: 'linkspan test',
      };
      await pushSessions.insert(tx, row, { dialect, nodeId, termMs: 60_000 });
    });

    const close = async ({ server }: { server: RunningServer }, shown: Issued | null) => {
      const call = request(`${server.url}${PUSH_BASE}/sessions/${sessionId}/close`, {
        method: 'POST',
        agent: false,
        ca: readFileSync(nodeCa.caFile),
        ...(shown === null
          ? {}
          : { cert: readFileSync(shown.certFile), key: readFileSync(shown.keyFile) }),
        headers: {
          authorization: `Bearer ${hostId}.${SECRET}`,
          'content-type': 'application/json',
          [VERSION_HEADER]: String(PUSH_VERSION),
          [SESSION_HEADER]: `${sessionId}.wrong`,
        },
      });
      call.end('{}');
      const [answer] = (await once(call, 'response')) as [IncomingMessage];
      return (JSON.parse(await text(answer)) as { errorCode: string }).errorCode;
    };
    // The holder answers: it does not know the session's secret.
    expect(await close(holder, agent)).toBe('SESSION_UNKNOWN');
    expect(await close(other, agent)).toBe('SESSION_UNKNOWN');
    expect(await close(other, null)).toBe('CLIENT_CERTIFICATE_REFUSED');
    // Not even with a certificate: that node has not looked at it.
    expect(await close(lax, agent)).toBe('CLIENT_CERTIFICATE_REFUSED');
    // It does not hand secrets on to a node whose certificate it does not trust.
    expect(await close(stranger, agent)).toBe('NODE_UNAVAILABLE');
  },
);
