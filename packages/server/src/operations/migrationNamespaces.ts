import type { NamespacesRequest } from '@linkspan/contract/api/liveMigrations.ts';
import { checkNamespaces } from '@linkspan/contract/namespaces/check.ts';
import type { Namespaces } from '@linkspan/contract/push/work.ts';
import { attributeErrors } from '@linkspan/contract/serving/apiError.ts';

/**
 * What a request says of names, as it is kept: null where it says nothing.
 * @throws {ApiError} naming each part that cannot work, whatever the source holds
 */
export function namespacesToKeep(request: NamespacesRequest | null | undefined): string | null {
  const { include = [], exclude = [], rename = [] } = request ?? {};
  if (include.length + exclude.length + rename.length === 0) return null;
  const namespaces = { include, exclude, rename };
  const problems = checkNamespaces(namespaces);
  if (problems.length > 0) throw attributeErrors('INVALID_ATTRIBUTE', problems);
  return JSON.stringify(namespaces);
}

/** Three empty lists where nothing is kept. */
export function keptNamespaces(row: { readonly namespaces: string | null }): Namespaces {
  return row.namespaces === null
    ? { include: [], exclude: [], rename: [] }
    : (JSON.parse(row.namespaces) as Namespaces);
}
