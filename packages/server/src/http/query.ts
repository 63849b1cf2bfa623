import { apiError } from '@linkspan/contract/serving/apiError.ts';
import { booleanParameter } from '@linkspan/contract/serving/presentation.ts';
import type { PageRequest, QueryParameter, QueryParameters } from './endpoint.ts';

/** @throws {ApiError} INVALID_QUERY_PARAMETER */
export function pageRequestOf(query: URLSearchParams): PageRequest {
  return {
    pageNum: integerParameter(query, 'pageNum', 1, 1, MAX_PAGE),
    itemsPerPage: integerParameter(query, 'itemsPerPage', 100, 1, 500),
    includeCount: booleanParameter(query, 'includeCount', true),
  };
}

/**
 * An operation's own parameters, those that are there. Empty ones count as absent: clients send
 * them (recorded).
 * @throws {ApiError} INVALID_QUERY_PARAMETER, INVALID_DATE_FORMAT
 */
export function readQuery(
  query: URLSearchParams,
  declared: QueryParameters,
): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const [name, parameter] of Object.entries(declared)) {
    const texts = query.getAll(name).filter((text) => text !== '');
    // No store can keep it, nor look for it.
    if (texts.some((text) => text.includes('\0'))) throw apiError('INVALID_QUERY_PARAMETER', name);
    if (texts.length > 0) values[name] = readParameter(name, parameter, texts);
  }
  return values;
}

/** The largest page number: what comes before it can still be counted. */
const MAX_PAGE = 2 ** 31 - 1;

function readParameter(
  name: string,
  { type }: QueryParameter,
  texts: readonly string[],
): string | boolean | readonly string[] | Date {
  const first = texts[0] ?? '';
  switch (type) {
    case 'string':
      return first;
    case 'strings':
      return texts.flatMap((text) => text.split(',')).filter((text) => text !== '');
    case 'boolean':
      if (first !== 'true' && first !== 'false') throw apiError('INVALID_QUERY_PARAMETER', name);
      return first === 'true';
    case 'time':
      return readTime(first);
  }
}

/** Dates and times of ISO 8601; without a zone they are in UTC. */
const TIME = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})?)?$/;

function readTime(text: string): Date {
  // A plus sign in a query stands for a space unless it was escaped.
  const written = text.trim().replace(' ', '+');
  const zoned = /(Z|T.*[+-]\d{2}:?\d{2})$/.test(written) || !written.includes('T');
  const time = TIME.test(written) ? new Date(zoned ? written : `${written}Z`) : null;
  if (time === null || Number.isNaN(time.getTime())) throw apiError('INVALID_DATE_FORMAT', text);
  return time;
}

function integerParameter(
  query: URLSearchParams,
  name: string,
  absent: number,
  least: number,
  most: number,
): number {
  const text = query.get(name);
  if (text === null || text === '') return absent;
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= least && value <= most)) throw apiError('INVALID_QUERY_PARAMETER', name);
  return value;
}
