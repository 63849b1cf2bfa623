import type { Link, Page } from '@linkspan/contract/api/common.ts';
import type { PageRequest } from './endpoint.ts';

/**
 * Cuts a page from a list.
 * @param href URL of the list without its query
 * @param query the request's own parameters, which the links keep
 */
export function pageOf<T>(
  items: readonly T[],
  request: PageRequest,
  href: string,
  query: URLSearchParams,
): Page<T> {
  const { pageNum, itemsPerPage, includeCount } = request;
  const start = (pageNum - 1) * itemsPerPage;
  const link = (rel: string, page: number): Link => {
    const parameters = new URLSearchParams({ includeCount: `${includeCount}` });
    for (const [name, value] of query) {
      if (!PAGE_PARAMETERS.has(name)) parameters.append(name, value);
    }
    parameters.set('pageNum', `${page}`);
    parameters.set('itemsPerPage', `${itemsPerPage}`);
    return { href: `${href}?${parameters.toString()}`, rel };
  };
  const links = [link('self', pageNum)];
  if (pageNum > 1) links.push(link('previous', pageNum - 1));
  if (start + itemsPerPage < items.length) links.push(link('next', pageNum + 1));
  return {
    links,
    results: items.slice(start, start + itemsPerPage),
    ...(includeCount ? { totalCount: items.length } : {}),
  };
}

const PAGE_PARAMETERS = new Set(['includeCount', 'pageNum', 'itemsPerPage']);
