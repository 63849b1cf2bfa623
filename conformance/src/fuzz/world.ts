import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PUSH_BASE, PUSH_VERSION, VERSION_HEADER } from '@linkspan/contract/push/version.ts';
import { type LinkspanProcess, runLinkspan, startServer } from '@linkspan/testkit/processes.ts';
import { type Credential, HttpClient } from '../client.ts';
import { makeOrganization } from '../credentials.ts';
import { listAt, Setup, textAt, uniqueName } from '../setup.ts';
import type { TokenName } from './tokens.ts';
import { PLANTED_SECRETS } from './values.ts';

const SOURCE_PROJECT = '5f0000000000000000000001';
const HOSTNAME = 'fuzz-host.example.net';
const SOURCE_CLUSTER = 'orders';
const CLUSTER = 'target';
/** The one that no migration writes to. */
const SPARE_CLUSTER = 'spare';

/** An organization with something of everything in it. */
export interface Tenant {
  readonly orgId: string;
  readonly groupId: string;
  readonly groupName: string;
  readonly owner: Extract<Credential, { kind: 'digest' }>;
  /** A service account that owns the organization, and an access token of it. */
  readonly client: { readonly id: string; readonly secret: string };
  readonly bearer: Extract<Credential, { kind: 'bearer' }>;
  readonly values: ReadonlyMap<TokenName, string>;
}

/** A server of its own on a fresh store, with three organizations that know nothing of each other. */
export class FuzzWorld implements AsyncDisposable {
  readonly url: string;
  readonly host: string;
  readonly port: number;
  /** Where the store is. */
  readonly directory: string;
  /** Everything that no answer and no log line may ever hold. */
  readonly secrets: ReadonlySet<string>;
  readonly #server: LinkspanProcess;
  readonly #resources: AsyncDisposableStack;
  readonly #client: HttpClient;
  readonly #keeper: Setup;
  readonly #victim: Tenant;
  readonly #stranger: Tenant;
  readonly #secrets: Set<string>;
  #subject: Tenant;
  #logLength = 0;

  private constructor(
    server: LinkspanProcess,
    keeper: Setup,
    tenants: { readonly subject: Tenant; readonly victim: Tenant; readonly stranger: Tenant },
    secrets: Set<string>,
    directory: string,
    resources: AsyncDisposableStack,
  ) {
    this.#server = server;
    this.directory = directory;
    this.url = (server.ready as { url: string }).url;
    const { hostname, port } = new URL(this.url);
    this.host = hostname;
    this.port = Number(port);
    this.#keeper = keeper;
    this.#client = keeper.client;
    this.#subject = tenants.subject;
    this.#victim = tenants.victim;
    this.#stranger = tenants.stranger;
    this.#secrets = secrets;
    this.secrets = secrets;
    this.#resources = resources;
  }

  static async start(): Promise<FuzzWorld> {
    await using resources = new AsyncDisposableStack();
    const directory = await mkdtemp(join(tmpdir(), 'linkspan-fuzz-'));
    resources.defer(() => rm(directory, { recursive: true, force: true }));
    const place = ['--data-dir', join(directory, 'server')];
    const made = await runLinkspan(['init', 'Keeper', ...place, '-o', 'json']);
    if (made.code !== 0) throw new Error(`linkspan init failed: ${made.stderr}`);
    const { publicKey, privateKey } = (
      JSON.parse(made.stdout) as { apiKey: { publicKey: string; privateKey: string } }
    ).apiKey;
    const rules = ['--rate-limits', 'false', '--removal-wait-seconds', '2'];
    const reach = ['--allowed-networks', '127.0.0.0/8,::1', '--port', '0'];
    const server = resources.use(await startServer({ args: [...place, ...rules, ...reach] }));
    const client = resources.use(new HttpClient((server.ready as { url: string }).url));
    const keeper = new Setup(client, { kind: 'digest', publicKey, privateKey });
    const masterKey = await readFile(join(directory, 'server', 'master.key'), 'utf8');
    const secrets = new Set<string>([privateKey, masterKey.trim(), ...PLANTED_SECRETS]);
    const url = (server.ready as { url: string }).url;
    const tenants = {
      subject: await makeTenant(keeper, url, secrets),
      victim: await makeTenant(keeper, url, secrets),
      stranger: await makeTenant(keeper, url, secrets),
    };
    return new FuzzWorld(server, keeper, tenants, secrets, directory, resources.move());
  }

  /** The organization that requests are aimed at now. */
  get subject(): Tenant {
    return this.#subject;
  }

  get victim(): Tenant {
    return this.#victim;
  }

  get stranger(): Tenant {
    return this.#stranger;
  }

  get isRunning(): Promise<boolean> {
    return Promise.race([this.#server.exited.then(() => false), Promise.resolve(true)]);
  }

  /**
   * Makes another organization under test where requests have ended, or locked, the last one.
   * @param asLinked whether it must have an active live migration
   */
  async renew(asLinked: boolean): Promise<void> {
    if (await this.#isUsable(asLinked)) return;
    this.#subject = await makeTenant(this.#keeper, this.url, this.#secrets);
  }

  async #isUsable(asLinked: boolean): Promise<boolean> {
    const { orgId, groupId, owner, bearer } = this.#subject;
    const get = (credential: Credential, path: string) =>
      this.#client.send(credential, { method: 'GET', path });
    const answers = [
      await get(owner, `/api/atlas/v1.0/orgs/${orgId}/apiKeys`),
      await get(bearer, `/api/atlas/v1.0/groups/${groupId}`),
    ];
    if (answers.some(({ status }) => status !== 200)) return false;
    if (!asLinked) return true;
    const migrations = await get(owner, `/api/linkspan/v1/groups/${groupId}/liveMigrations`);
    return /"status":"(NEW|WORKING)"/.test(migrations.text);
  }

  /** All that the organization can see of itself. */
  async stateOf({ orgId, groupId, owner }: Tenant): Promise<string> {
    const atlas = '/api/atlas/v2';
    const own = '/api/linkspan/v1';
    const paths = [
      `${atlas}/orgs`,
      `${atlas}/orgs/${orgId}/groups`,
      `${atlas}/orgs/${orgId}/settings`,
      `${atlas}/orgs/${orgId}/apiKeys`,
      `${atlas}/orgs/${orgId}/serviceAccounts`,
      `${atlas}/orgs/${orgId}/events`,
      `${atlas}/groups/${groupId}/events`,
      `${own}/orgs/${orgId}/liveMigrations/link`,
      `${own}/groups/${groupId}/clusters`,
      `${own}/groups/${groupId}/liveMigrations`,
    ];
    const headers = { accept: 'application/vnd.atlas.2025-03-12+json' };
    const texts: string[] = [];
    for (const path of paths) {
      const { status, text } = await this.#client.send(owner, { method: 'GET', path, headers });
      texts.push(`${path} ${status} ${text}`);
    }
    // What time alone changes: when an account signed in, and that a host is silent.
    return texts
      .join('\n')
      .replaceAll(/"lastUsedAt":"[^"]*"/g, '')
      .replaceAll('"state":"STALE"', '"state":"LINKED"');
  }

  /** What the server has logged since this was last asked. */
  async newLog(): Promise<string> {
    const log = await this.#server.log();
    const fresh = log.slice(this.#logLength);
    this.#logLength = log.length;
    return fresh;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }
}

async function makeTenant(keeper: Setup, url: string, secrets: Set<string>): Promise<Tenant> {
  const { orgId, holder } = await makeOrganization(keeper, 'digest');
  if (holder.credential.kind !== 'digest') throw new Error('an API key was expected');
  const owner = keeper.as(holder.credential);
  const groupName = uniqueName('Project').replace(' ', '-');
  const groupId = textAt(await owner.call('POST', '/groups', { name: groupName, orgId }), 'id');
  const password = randomBytes(12).toString('hex');
  for (const name of [CLUSTER, SPARE_CLUSTER]) {
    await owner.call('POST', `/api/linkspan/v1/groups/${groupId}/clusters`, {
      name,
      connectionString: `mongodb://writer:${password}@127.0.0.1:9/?serverSelectionTimeoutMS=200`,
    });
  }
  const { linkToken, hostSecret } = await linkHost(owner, orgId, url);
  const { client, token } = await signIn(owner, orgId, url);
  const key = await owner.call('POST', `/orgs/${orgId}/apiKeys`, {
    desc: 'another',
    roles: ['ORG_MEMBER'],
  });
  const migration = await owner.call('POST', `/groups/${groupId}/liveMigrations`, {
    destination: { clusterName: CLUSTER, groupId },
    migrationHosts: [HOSTNAME],
    source: {
      clusterName: SOURCE_CLUSTER,
      groupId: SOURCE_PROJECT,
      managedAuthentication: false,
      ssl: false,
      username: 'reader',
      password: PLANTED_SECRETS[1],
    },
  });
  const told = [linkToken, hostSecret, password, token, client.secret, textAt(key, 'privateKey')];
  for (const secret of [holder.credential.privateKey, ...told]) secrets.add(secret);
  return {
    orgId,
    groupId,
    groupName,
    owner: holder.credential,
    client,
    bearer: { kind: 'bearer', token },
    values: new Map<TokenName, string>([
      ['orgId', orgId],
      ['groupId', groupId],
      ['groupName', groupName],
      ['apiUserId', textAt(key, 'id')],
      ['clientId', client.id],
      ['clusterName', SPARE_CLUSTER],
      ['liveMigrationId', textAt(migration, '_id')],
      ['hostname', HOSTNAME],
      ['sourceProjectId', SOURCE_PROJECT],
      ['sourceClusterName', SOURCE_CLUSTER],
      ['ipAddress', '192.0.2.1'],
    ]),
  };
}

/** Makes a service account that owns the organization, and an access token of it. */
async function signIn(owner: Setup, orgId: string, url: string) {
  const made = await owner.call('POST', `/orgs/${orgId}/serviceAccounts`, {
    name: uniqueName('account'),
    description: 'fuzzes',
    roles: ['ORG_OWNER'],
    secretExpiresAfterHours: 8,
  });
  const id = textAt(made, 'clientId');
  const secret = textAt(listAt(made, 'secrets')[0] ?? {}, 'secret');
  const answer = await fetch(`${url}/api/oauth/token`, {
    method: 'POST',
    headers: {
      authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`,
      'content-type': 'application/x-www-form-urlencoded',
    },
    body: 'grant_type=client_credentials',
  });
  if (answer.status !== 200) throw new Error(`no access token: ${await answer.text()}`);
  const { access_token: token } = (await answer.json()) as { readonly access_token: string };
  return { client: { id, secret }, token };
}

/** Links a migration host that is heard of once, as an agent would. */
async function linkHost(owner: Setup, orgId: string, url: string) {
  const made = await owner.call('POST', `/orgs/${orgId}/liveMigrations/linkTokens`, {});
  const linkToken = textAt(made, 'linkToken');
  const hostId = randomBytes(12).toString('hex');
  const hostSecret = randomBytes(32).toString('hex');
  const post = async (path: string, authorization: string, body: object): Promise<void> => {
    const answer = await fetch(url + PUSH_BASE + path, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${authorization}`,
        'content-type': 'application/json',
        [VERSION_HEADER]: String(PUSH_VERSION),
      },
      body: JSON.stringify(body),
    });
    if (answer.status >= 300) throw new Error(`${path} answered ${await answer.text()}`);
  };
  const host = { hostname: HOSTNAME, agentVersion: '0.1.0' };
  await post('/hosts', linkToken, { hostId, hostSecret, ...host });
  await post('/inventory', `${hostId}.${hostSecret}`, {
    ...host,
    projects: [
      {
        projectId: SOURCE_PROJECT,
        name: 'Source',
        deployments: [
          {
            name: SOURCE_CLUSTER,
            mongoDBVersion: '8.0.4',
            featureCompatibilityVersion: '8.0',
            managed: false,
            sharded: false,
            tlsEnabled: false,
          },
        ],
      },
    ],
  });
  return { linkToken, hostSecret };
}
