import { startLinkedPair } from '@linkspan/testkit/linkedPair.ts';
import { type Credential, HttpClient } from './client.ts';
import { type Holder, makeApiKey, makeOrganization, makeServiceAccount } from './credentials.ts';
import { GRANTS, type Role, type Way, waysOf } from './roles.ts';
import { Setup, SetupError, textAt, uniqueName } from './setup.ts';

/** Of the destination cluster that every reading operation finds. */
export const CLUSTER = 'target';

/**
 * A server that runs as a user runs it, with a linked agent and real databases, one organization
 * with a project, and a credential for every role and way.
 */
export interface World extends AsyncDisposable {
  readonly client: HttpClient;
  /** As the organization's owner. */
  readonly owner: Setup;
  readonly orgId: string;
  readonly groupId: string;
  readonly groupName: string;
  /** Of the destination database. */
  readonly destinationUri: string;
  /** @throws {SetupError} saying why the role cannot be had in this way */
  holder(role: Exclude<Role, 'None'>, way: Way): Holder;
  credential(role: Role, way: Way): Credential;
  /** A project that the holder of the role owns. */
  ownProject(role: Role, way: Way): Promise<string>;
  /** Registers a destination cluster. @returns its name */
  registerCluster(): Promise<string>;
}

export async function startWorld(): Promise<World> {
  await using resources = new AsyncDisposableStack();
  const pair = resources.use(await startLinkedPair());
  const client = resources.use(new HttpClient(pair.baseUrl));
  const { orgId } = pair;
  const owner = new Setup(client, { kind: 'digest', ...pair.credentials });
  const holders = new Map<string, Holder | SetupError>();
  const groupName = uniqueName('Project');
  const project = { name: groupName, orgId };

  // The one way to make a service account own a project is to let it create one.
  const creator = await settled(makeServiceAccount(owner, orgId, 'ORG_GROUP_CREATOR'));
  const founder = creator instanceof SetupError ? owner : owner.as(creator.credential);
  const groupId = textAt(await founder.call('POST', '/groups', project), 'id');
  holders.set('Project Owner/bearer', await settled(demoted(owner, orgId, creator)));

  for (const role of Object.keys(GRANTS) as (keyof typeof GRANTS)[]) {
    for (const way of waysOf(role)) {
      const key = `${role}/${way}`;
      if (holders.has(key)) continue;
      const made =
        role === 'Another organization'
          ? makeOrganization(owner, way).then(({ holder }) => holder)
          : way === 'digest'
            ? makeApiKey(owner, orgId, groupId, role)
            : makeServiceAccount(owner, orgId, GRANTS[role].org);
      holders.set(key, await settled(made));
    }
  }

  const holder: World['holder'] = (role, way) => {
    const found = holders.get(`${role}/${way}`);
    if (found === undefined) throw new SetupError(`no ${role} by ${way}`);
    if (found instanceof SetupError) throw found;
    return found;
  };
  const register = async (name: string): Promise<string> => {
    const connectionString = pair.destination.uri;
    const path = `/api/linkspan/v1/groups/${groupId}/clusters`;
    await owner.call('POST', path, { name, connectionString });
    return name;
  };
  await register(CLUSTER);
  await owner.call('POST', `/api/linkspan/v1/groups/${groupId}/clusters/${CLUSTER}/connectionTest`);
  const owned = resources.move();
  return {
    client,
    owner,
    orgId,
    groupId,
    groupName,
    destinationUri: pair.destination.uri,
    holder,
    credential: (role, way) => (role === 'None' ? null : holder(role, way).credential),
    ownProject: (role, way) => ownProject(owner, orgId, role === 'None' ? null : holder(role, way)),
    registerCluster: () => register(uniqueName('cluster').replace(' ', '-')),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function ownProject(owner: Setup, orgId: string, holder: Holder | null): Promise<string> {
  const project = { name: uniqueName('Project'), orgId };
  if (holder?.credential.kind !== 'bearer') {
    const groupId = textAt(await owner.call('POST', '/groups', project), 'id');
    if (holder !== null) {
      const path = `/groups/${groupId}/apiKeys/${holder.id}`;
      await owner.call('PATCH', path, { roles: ['GROUP_OWNER'] });
    }
    return groupId;
  }
  const path = `/orgs/${orgId}/serviceAccounts/${holder.id}`;
  const { roles } = await owner.call('GET', path);
  await owner.call('PATCH', path, { roles: ['ORG_GROUP_CREATOR'] });
  try {
    return textAt(await owner.as(holder.credential).call('POST', '/groups', project), 'id');
  } finally {
    await owner.call('PATCH', path, { roles });
  }
}

/** Leaves the creator of a project nothing but the project. */
async function demoted(owner: Setup, orgId: string, creator: Holder | SetupError): Promise<Holder> {
  if (creator instanceof SetupError) throw creator;
  const { org } = GRANTS['Project Owner'];
  await owner.call('PATCH', `/orgs/${orgId}/serviceAccounts/${creator.id}`, { roles: [org] });
  return creator;
}

/** What cannot be made shows in the cells that need it, not as an end of the whole walk. */
async function settled(made: Promise<Holder>): Promise<Holder | SetupError> {
  try {
    return await made;
  } catch (error) {
    if (error instanceof SetupError) return error;
    throw error;
  }
}
