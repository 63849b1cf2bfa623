import type { SystemStatus } from '@linkspan/contract/api/systemStatus.ts';
import packageFile from '../../package.json' with { type: 'json' };
import type { Principal } from '../domain/access.ts';
import { longAddress, shownCidr, singleAddress } from '../domain/addresses.ts';
import * as apiKeys from '../store/apiKeys.ts';
import type { OperationContext } from './context.ts';
import { toRole } from './keys.ts';

/** Who asks, and what answers. */
export async function get(
  context: OperationContext,
  principal: Principal,
  base: string,
): Promise<SystemStatus> {
  return {
    apiKey: await keyOf(context, principal),
    appName: 'MongoDB Atlas',
    build: packageFile.version,
    links: [
      { href: base, rel: 'self' },
      { href: `${base}/groups`, rel: 'https://cloud.mongodb.com/groups' },
      { href: `${base}/orgs`, rel: 'https://cloud.mongodb.com/orgs' },
    ],
    throttling: false,
  };
}

async function keyOf(
  { store: { db } }: OperationContext,
  { credential }: Principal,
): Promise<SystemStatus['apiKey']> {
  if (credential.kind !== 'apiKey') return null;
  const { apiKeyId: id, publicKey } = credential;
  const entries = await apiKeys.accessList(db, id);
  return {
    accessList: entries.map(({ cidr }) => {
      const address = singleAddress(cidr);
      return {
        cidrBlock: shownCidr(cidr),
        ipAddress: address === null ? null : longAddress(address),
      };
    }),
    id,
    publicKey,
    roles: (await apiKeys.roles(db, id)).map(toRole),
  };
}
