import type { Credential } from './client.ts';
import { GRANTS, type Role, type Way } from './roles.ts';
import { listAt, type Setup, SetupError, textAt, uniqueName } from './setup.ts';

/** A credential, and what it is called where roles are given to it. */
export interface Holder {
  readonly credential: Exclude<Credential, null>;
  /** Of the API key or the service account. */
  readonly id: string;
}

type Named = Exclude<Role, 'None' | 'Another organization'>;

/** An API key with a role in an organization and, if it is one of a project, in that. */
export async function makeApiKey(
  owner: Setup,
  orgId: string,
  groupId: string,
  role: Named,
): Promise<Holder> {
  const { org, project } = GRANTS[role];
  const made =
    project === undefined
      ? await owner.call('POST', `/orgs/${orgId}/apiKeys`, { desc: role, roles: [org] })
      : await owner.call('POST', `/groups/${groupId}/apiKeys`, { desc: role, roles: [project] });
  return {
    id: textAt(made, 'id'),
    credential: {
      kind: 'digest',
      publicKey: textAt(made, 'publicKey'),
      privateKey: textAt(made, 'privateKey'),
    },
  };
}

/** A service account with a role in an organization, and an access token of it. */
export async function makeServiceAccount(
  owner: Setup,
  orgId: string,
  orgRole: string,
): Promise<Holder> {
  const made = await owner.call('POST', `/orgs/${orgId}/serviceAccounts`, {
    name: uniqueName('account'),
    description: 'made by the contract test',
    roles: [orgRole],
    secretExpiresAfterHours: 8,
  });
  const id = textAt(made, 'clientId');
  const secret = listAt(made, 'secrets')[0] ?? {};
  return { id, credential: await accessToken(owner, id, textAt(secret, 'secret')) };
}

/** A new organization and its owner, with a credential of the way asked for. */
export async function makeOrganization(
  anyOwner: Setup,
  way: Way,
): Promise<{ readonly orgId: string; readonly holder: Holder }> {
  const made = await anyOwner.call('POST', '/orgs', {
    name: uniqueName('Organization'),
    apiKey: { desc: 'owner', roles: ['ORG_OWNER'] },
  });
  const orgId = textAt(made, 'organization', 'id');
  const credential = {
    kind: 'digest',
    publicKey: textAt(made, 'apiKey', 'publicKey'),
    privateKey: textAt(made, 'apiKey', 'privateKey'),
  } as const;
  if (way === 'digest') return { orgId, holder: { id: textAt(made, 'apiKey', 'id'), credential } };
  const holder = await makeServiceAccount(anyOwner.as(credential), orgId, 'ORG_OWNER');
  return { orgId, holder };
}

/** @throws {SetupError} unless a token was issued */
async function accessToken(setup: Setup, clientId: string, secret: string) {
  const basic = Buffer.from(
    `${encodeURIComponent(clientId)}:${encodeURIComponent(secret)}`,
  ).toString('base64');
  const answer = await setup.client.send(null, {
    method: 'POST',
    path: '/api/oauth/token',
    headers: {
      accept: 'application/json',
      authorization: `Basic ${basic}`,
      'content-type': 'application/x-www-form-urlencoded',
    },
    body: 'grant_type=client_credentials',
  });
  if (answer.status !== 200) {
    throw new SetupError(`POST /api/oauth/token answered ${answer.status}: ${answer.text}`);
  }
  const token = textAt(JSON.parse(answer.text) as Record<string, unknown>, 'access_token');
  return { kind: 'bearer', token } as const;
}
