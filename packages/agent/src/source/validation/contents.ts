import { type FindingCode, finding } from '@linkspan/contract/api/findings.ts';
import type { Finding } from '@linkspan/contract/push/validation.ts';
import { formatNamespace } from '@linkspan/contract/push/namespaces.ts';
import type { ListedNamespace } from '../listing.ts';
import type { Check } from './check.ts';

/** What is listed and cannot be moved, each by its name. */
export const checkContents: Check = async ({ listed }) => listed.flatMap(findingsOf);

function findingsOf({ namespace, unsupported, options, buckets }: ListedNamespace): Finding[] {
  const name = formatNamespace(namespace);
  if (buckets) return [finding('TIME_SERIES_COMPARED', `${name} is a time series collection.`)];
  if (unsupported === null) return [];
  return [finding(codeOf(options), `${name}: ${unsupported}.`)];
}

function codeOf(options: ListedNamespace['options']): FindingCode {
  return options['timeseries'] === undefined ? 'INDEX_UNSUPPORTED' : 'TIME_SERIES_COLLECTION';
}
