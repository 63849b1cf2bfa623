import { type FindingCode, finding } from '@linkspan/contract/api/findings.ts';
import type { Finding } from '@linkspan/contract/push/messages.ts';
import { formatNamespace } from '@linkspan/contract/push/namespaces.ts';
import type { ListedNamespace } from '../listing.ts';
import type { Check } from './check.ts';

/** What is listed and cannot be moved, each by its name. */
export const checkContents: Check = async ({ listed }) => listed.flatMap(findingsOf);

function findingsOf({ namespace, unsupported, options }: ListedNamespace): Finding[] {
  if (unsupported === null) return [];
  return [finding(codeOf(options), `${formatNamespace(namespace)}: ${unsupported}.`)];
}

function codeOf(options: ListedNamespace['options']): FindingCode {
  return options['timeseries'] === undefined ? 'INDEX_UNSUPPORTED' : 'TIME_SERIES_COLLECTION';
}
