import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { ApiKey } from '@linkspan/contract/api/apiKeys.ts';
import type { LiveMigrationDetail } from '@linkspan/contract/api/liveMigrations.ts';
import { PUSH_BASE } from '@linkspan/contract/push/version.ts';
import { compareClusters } from '@linkspan/testkit/compare.ts';
import { type TestApi, api } from '@linkspan/testkit/digestClient.ts';
import { startMongoDB } from '@linkspan/testkit/mongodb.ts';
import { freePort } from '@linkspan/testkit/ports.ts';
import { type LinkspanProcess, startAgent, startServer } from '@linkspan/testkit/processes.ts';
import { CommandLine } from './commandLine.ts';
import { loadSource } from './data.ts';
import { count, heading, indented, line, megabytes } from './show.ts';
import { Writer } from './writer.ts';

const SOURCE_PROJECT = '5f0000000000000000000001';
const MIGRATION_HOST = 'vm001.example.com';
const POLL_MS = 500;

/** The writer goes on for so many writes after the copy, so that there is something to keep up with. */
const WRITES_AFTER_COPY = 500;

const { values: flags } = parseArgs({ options: { keep: { type: 'boolean', default: false } } });
const started = performance.now();
await using resources = new AsyncDisposableStack();
const directory = await mkdtemp(join(tmpdir(), 'linkspan-demo-'));
resources.defer(() => rm(directory, { recursive: true, force: true }));

heading('Two databases, and a data set to move');
const source = resources.use(await startMongoDB({ name: 'source' }));
const destination = resources.use(await startMongoDB({ name: 'destination' }));
line(`source: ${source.server} at ${source.uri}`);
line(`destination: ${destination.server} at ${destination.uri}`);
await loadSource(source.client());
line('loaded the cities of the world, and beside them documents with _ids of every type');

heading('A server, with an organization and its first API key');
const cli = new CommandLine();
const dataDir = join(directory, 'server');
const made = await cli.read<{
  organization: { id: string; name: string };
  apiKey: { publicKey: string; privateKey: string };
}>('init', 'Demo', '--data-dir', dataDir);
const orgId = made.organization.id;
line(`organization ${made.organization.name}: ${orgId}`);
const port = await freePort();
const server = resources.use(
  await startServer({
    args: ['--data-dir', dataDir, '--port', String(port), '--allowed-networks', '127.0.0.0/8'],
  }),
);
const baseUrl = (server.ready as { url: string }).url;
line(`$ linkspan server: process ${server.pid} at ${baseUrl}`);
cli.use({
  LINKSPAN_BASE_URL: baseUrl,
  LINKSPAN_PUBLIC_KEY: made.apiKey.publicKey,
  LINKSPAN_PRIVATE_KEY: made.apiKey.privateKey,
  LINKSPAN_ORG_ID: orgId,
});

heading('A project, an API key for the migration, and the destination cluster');
const project = await cli.read<{ id: string }>('projects', 'create', 'Harbour');
line(`project ${project.id}`);
const newKey = ['organizations', 'apiKeys', 'create', '--desc', 'demo', '--role', 'ORG_OWNER'];
const key = await cli.read<ApiKey>(...newKey);
line(`API key ${key.publicKey}, used from here on`);
const credentials = { publicKey: key.publicKey, privateKey: key.privateKey };
cli.use({
  LINKSPAN_PUBLIC_KEY: key.publicKey,
  LINKSPAN_PRIVATE_KEY: key.privateKey,
  LINKSPAN_PROJECT_ID: project.id,
});
const uriFile = join(directory, 'destination.uri');
await writeFile(uriFile, destination.uri, { mode: 0o600 });
await cli.show('clusters', 'create', 'new-home', '--uriFile', uriFile);

heading('A link-token, and an agent that links with it');
const tokenFile = join(directory, 'link-token');
await cli.show('liveMigrations', 'link', 'create', '--linkTokenFile', tokenFile);
const agentConfig = join(directory, 'agent.yaml');
await writeFile(agentConfig, agentYaml(source.uri), { mode: 0o600 });
const stateDir = join(directory, 'agent');
const agent = resources.use(
  await startAgent({
    args: ['--config', agentConfig, '--state-dir', stateDir, '--link-token-file', tokenFile],
  }),
);
line(`$ linkspan agent: process ${agent.pid}, on the migration host ${MIGRATION_HOST}`);
await cli.show('liveMigrations', 'availableProjects', 'list');

heading('Validate, then migrate while an application goes on writing to the source');
const request =
  `--clusterName new-home --migrationHost ${MIGRATION_HOST} --sourceProjectId ${SOURCE_PROJECT} --sourceClusterName old-home --sourceManagedAuthentication`.split(
    ' ',
  );
await cli.show('liveMigrations', 'validation', 'create', ...request, '--watch');
const writer = new Writer(source.client());
const migrationStarted = performance.now();
const { _id: id } = await cli.read<{ _id: string }>('liveMigrations', 'create', ...request);
const owner = resources.use(api(baseUrl, credentials));
await watch(owner, ({ readyForCutover }) => readyForCutover);
const copySeconds = (performance.now() - migrationStarted) / 1000;
const writesAtCopy = writer.total;
while (writer.total < writesAtCopy + WRITES_AFTER_COPY) await delay(POLL_MS);

heading('Stop the application, and cut over');
await writer.stop();
line(
  `${count(writer.inserts)} inserts, ${count(writer.updates)} updates and ${count(writer.deletes)} deletes were made meanwhile`,
);
const cutoverStarted = performance.now();
await cli.show('liveMigrations', 'cutover', '--liveMigrationId', id);
const complete = await watch(owner, ({ status }) => status === 'COMPLETE');
const cutoverSeconds = (performance.now() - cutoverStarted) / 1000;

heading('Compare both sides in full');
const comparison = await compareClusters(source.uri, destination.uri);
if (comparison.differences.length > 0) {
  throw new Error(`the two sides differ:\n${comparison.differences.join('\n')}`);
}
line(
  `${count(comparison.documents)} documents in ${comparison.collections} collections are equal, byte for byte; so are options, indexes and views`,
);

const facts = await processFacts({ agent, server });
if (flags.keep) await keepRunning();
heading('Remove the link-token');
await cli.show('liveMigrations', 'link', 'delete', '--force');
line(`the agent ended with exit code ${await agent.exited}: its next request was refused`);
await showRefusedPush();
const url = `/api/atlas/v1.0/orgs/${orgId}/liveMigrations/linkTokens`;
const again = await owner.delete(url);
line(`DELETE ${url} again: ${again.status}`);
indented(JSON.stringify(again.body));
if (again.status !== 404) throw new Error('a second DELETE must answer 404');

heading('Summary');
const { documentsFlushed = 0 } = complete.progress ?? {};
for (const [name, value] of [
  ['documents moved', count(comparison.documents)],
  ['BSON', megabytes(comparison.bytes)],
  ['writes at the source meanwhile', count(writer.total)],
  ['documents pushed after the copy', count(documentsFlushed)],
  ['until ready for cutover', `${copySeconds.toFixed(1)} s`],
  ['cutover with full verification', `${cutoverSeconds.toFixed(1)} s`],
  ['documents verified by digest', count(complete.verified?.documents ?? 0)],
  ['differences', String(comparison.differences.length)],
  ...facts,
  ['whole demo', `${((performance.now() - started) / 1000).toFixed(0)} s`],
] as const) {
  line(`${name.padEnd(34)}${value}`);
}

async function watch(
  client: TestApi,
  isDone: (migration: LiveMigrationDetail) => boolean,
): Promise<LiveMigrationDetail> {
  let shown = '';
  for (;;) {
    const path = `/api/linkspan/v1/groups/${project.id}/liveMigrations/${id}`;
    const { body } = await client.get<LiveMigrationDetail>(path);
    const text = describeProgress(body);
    if (text !== shown) line(text);
    shown = text;
    if (isDone(body)) return body;
    if (body.status === 'FAILED') throw new Error(`it failed: ${body.failureReason}`);
    if (body.cutover.failure !== null) throw new Error(`cutover failed: ${body.cutover.failure}`);
    await delay(POLL_MS);
  }
}

function describeProgress({ status, progress }: LiveMigrationDetail): string {
  if (progress === null) return status;
  const { phase, documentsCopied, documentsTotal, bytesCopied, lagSeconds, keysPending } = progress;
  return [
    `${status} ${phase.padEnd(10)}`,
    `${count(documentsCopied)} of ${count(documentsTotal)} documents`,
    megabytes(bytesCopied),
    `lag ${lagSeconds === null ? '-' : `${lagSeconds} s`}`,
    `${count(keysPending)} keys pending`,
  ].join('  ');
}

/** What a push is answered now, with the credentials that the host had. */
async function showRefusedPush(): Promise<void> {
  const link = JSON.parse(await readFile(join(stateDir, 'link.json'), 'utf8')) as {
    hostId: string;
    hostSecret: string;
  };
  const response = await fetch(`${baseUrl}${PUSH_BASE}/migrations/${id}/sessions`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${link.hostId}.${link.hostSecret}`,
      'content-type': 'application/json',
      'linkspan-push-version': '1',
    },
    body: '{}',
  });
  const { errorCode } = (await response.json()) as { errorCode: string };
  line(`a push with that host's credentials is answered ${response.status} ${errorCode}`);
  if (response.status !== 401) throw new Error('a push after the removal must be refused');
}

async function processFacts(processes: { agent: LinkspanProcess; server: LinkspanProcess }) {
  const facts: [string, string][] = [];
  for (const [name, one] of Object.entries(processes)) {
    const [rss, cpu] = [await one.rssBytes(), await one.cpuSeconds()];
    facts.push([`${name}: peak RSS, CPU`, `${megabytes(rss)}, ${cpu.toFixed(1)} s`]);
  }
  return facts;
}

async function keepRunning(): Promise<void> {
  heading('Everything goes on running (--keep); Ctrl-C stops it and removes the link-token');
  for (const text of [
    `API          ${baseUrl}`,
    `public key   ${key.publicKey}`,
    `private key  ${key.privateKey}`,
    `organization ${orgId}`,
    `project      ${project.id}`,
    `source       ${source.uri}`,
    `destination  ${destination.uri}`,
    `logs         ${server.logFile} and ${agent.logFile}`,
  ]) {
    line(text);
  }
  line('try:');
  indented(
    `curl --digest -u ${key.publicKey}:${key.privateKey} ${baseUrl}/api/atlas/v1.0/orgs/${orgId}/liveMigrations/availableProjects`,
  );
  await once(process, 'SIGINT');
}

function agentYaml(uri: string): string {
  return `hostname: ${MIGRATION_HOST}
projects:
  - id: '${SOURCE_PROJECT}'
    name: Old harbour
    deployments:
      - name: old-home
        uri: ${JSON.stringify(uri)}
`;
}
