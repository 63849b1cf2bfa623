import type { Link, Page } from '@linkspan/contract/api/common.ts';
import type { PageRequest } from './endpoint.ts';

/** The items of a page, and how many there are on all of them. */
export interface Cut<T> {
  readonly results: readonly T[];
  readonly total: number;
}

/** Cuts a page from a whole list. */
export function cut<T>(items: readonly T[], { pageNum, itemsPerPage }: PageRequest): Cut<T> {
  const start = (pageNum - 1) * itemsPerPage;
  return { results: items.slice(start, start + itemsPerPage), total: items.length };
}

/**
 * A page with its links.
 * @param href URL of the list without its query
 * @param query the request's own parameters, which the links keep
 */
export function pageOf<T>(
  { results, total }: Cut<T>,
  request: PageRequest,
  href: string,
  query: URLSearchParams,
): Page<T> {
  const { pageNum, itemsPerPage, includeCount } = request;
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
  if (pageNum * itemsPerPage < total) links.push(link('next', pageNum + 1));
  return { links, results, totalCount: includeCount ? total : 0 };
}

const PAGE_PARAMETERS = new Set(['includeCount', 'pageNum', 'itemsPerPage']);
