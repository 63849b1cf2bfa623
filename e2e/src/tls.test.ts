import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hasOpenssl, makeAuthority } from '@linkspan/testkit/certificates.ts';
import { compareClusters } from '@linkspan/testkit/compare.ts';
import { startDestinationSide } from '@linkspan/testkit/destinationSide.ts';
import { agentConfiguration } from '@linkspan/testkit/linkedPair.ts';
import { expectBody, migrationRequest } from '@linkspan/testkit/migrationCalls.ts';
import { type MongoDB, startMongoDB } from '@linkspan/testkit/mongodb.ts';
import { startAgent } from '@linkspan/testkit/processes.ts';
import { expect, it } from 'vitest';

const READER = { username: 'reader', password: 'read: p@ss/word' };
/** Of the request. */
const OWN = { username: 'migration', password: 'own: p@ss/word' };
const WRITER = { username: 'writer', password: 'write: p@ss/word' };

/** Of a database that the environment names nothing is known of certificates. */
const isGiven = ['SOURCE', 'DESTINATION'].some(
  (side) => process.env[`LINKSPAN_TEST_MONGODB_${side}`] !== undefined,
);

it.skipIf(!hasOpenssl || isGiven)(
  'C13: moves a database over SCRAM and TLS on both sides, by private authorities that no connection string names',
  async () => {
    await using resources = new AsyncDisposableStack();
    const directory = mkdtempSync(join(tmpdir(), 'linkspan-tls-e2e-'));
    resources.defer(() => rmSync(directory, { recursive: true }));
    const start = async (name: string, auth: typeof READER): Promise<MongoDB> => {
      const authority = makeAuthority(directory, name);
      const tls = { ...authority.issue('db'), caFile: authority.caFile };
      return resources.use(await startMongoDB({ name, auth, tls }));
    };
    const source = await start('source', READER);
    const destination = await start('destination', WRITER);
    const rows = Array.from({ length: 500 }, (_, index) => ({ _id: index as never, n: index }));
    await source.client().db('app').collection('rows').insertMany(rows);
    await source.client().db('app').collection('rows').createIndex({ n: 1 });
    const side = resources.use(await startDestinationSide({ source, destination }));

    const cluster = `/api/linkspan/v1/groups/${side.projectId}/clusters/destination`;
    const test = (): Promise<{ ok: boolean; code?: string }> =>
      expectBody(side.api.post(`${cluster}/connectionTest`));
    expect(await test()).toMatchObject({ ok: true });
    // Without its authority the certificate is not trusted.
    const connectionString = destination.uri;
    await expectBody(side.api.patch(cluster, { body: { connectionString } }));
    expect(await test()).toMatchObject({ ok: false });
    const file = `${connectionString}&tlsCAFile=${destination.caFile}`;
    expect((await side.api.patch(cluster, { body: { connectionString: file } })).status).toBe(400);
    const tlsCA = readFileSync(destination.caFile ?? '', 'utf8');
    for (const wrong of ['no certificate', `${tlsCA}-----BEGIN PRIVATE KEY-----`]) {
      const body = { connectionString, tlsCA: wrong };
      expect((await side.api.patch(cluster, { body })).status).toBe(400);
    }
    await expectBody(side.api.patch(cluster, { body: { connectionString, tlsCA } }));

    // The agent has another user, and soon no authority: the request brings both.
    const roles = ['readAnyDatabase', 'clusterMonitor'];
    const { username, password } = OWN;
    const user = { createUser: username, pwd: password, roles };
    await source.client().db('admin').command(user);
    const configured = join(directory, 'configured.pem');
    copyFileSync(source.caFile ?? '', configured);
    const config = join(directory, 'agent.yaml');
    const agentUri = `${source.uri}&tlsCAFile=${configured}`;
    writeFileSync(config, agentConfiguration(agentUri, false));
    const args = ['--config', config, '--state-dir', join(directory, 'agent')];
    const env = { LINKSPAN_LINK_TOKEN: side.linkToken };
    const agent = resources.use(await startAgent({ args, env }));
    copyFileSync(destination.caFile ?? '', configured);
    const body = migrationRequest(side.projectId);
    const own = {
      ...OWN,
      managedAuthentication: false,
      ssl: true,
      caCertificatePath: source.caFile,
    };
    const { _id: id } = await expectBody<{ _id: string }>(
      side.api.post(`/api/atlas/v2/groups/${side.projectId}/liveMigrations`, {
        version: '2024-05-30',
        body: { ...body, source: { ...body.source, ...own } },
      }),
    );
    expect(await side.cutOver(id)).toMatchObject({ status: 'COMPLETE' });
    const trusting = ({ uri, caFile }: MongoDB): string => `${uri}&tlsCAFile=${caFile}`;
    const comparison = await compareClusters(trusting(source), trusting(destination));
    expect(comparison).toMatchObject({ differences: [], documents: 500 });
    for (const log of [await agent.log(), await side.server.log()]) {
      for (const { password } of [READER, OWN, WRITER]) {
        expect(log).not.toContain(password);
        expect(log).not.toContain(encodeURIComponent(password));
      }
    }
  },
);
