import { finding } from '@linkspan/contract/api/findings.ts';
import { formatNamespace, namespaceKey } from '@linkspan/contract/push/namespaces.ts';

import { isEmpty } from '../catalog.ts';
import { listUserData } from '../prepare.ts';
import type { Check } from './check.ts';

/** Names in one finding; the rest is counted. */
const NAMED = 10;

/** What is in the way, or would be dropped. Whether a collection is empty is looked at, not counted. */
export const checkContents: Check = async ({ destination, namespaces, dropDestinationData }) => {
  const { cluster } = destination;
  const there = await listUserData(destination);
  if (dropDestinationData) {
    if (there.length === 0) return [];
    const found = `${there.length} collections and views of destination cluster ${cluster}.`;
    return [finding('DESTINATION_DATA_DROPPED', found)];
  }
  const wanted = new Set(namespaces.map(namespaceKey));
  const colliding: string[] = [];
  for (const { type, ...namespace } of there) {
    if (!wanted.has(namespaceKey(namespace))) continue;
    if (type === 'collection' && (await isEmpty(destination, namespace))) continue;
    colliding.push(formatNamespace(namespace));
  }
  if (colliding.length === 0) return [];
  const rest = colliding.length > NAMED ? ` and ${colliding.length - NAMED} more` : '';
  const found = `destination cluster ${cluster} holds ${colliding.slice(0, NAMED).join(', ')}${rest}.`;
  return [finding('DESTINATION_NAMESPACES_NOT_EMPTY', found)];
};
