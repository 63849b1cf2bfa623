import { apiError } from '../domain/apiError.ts';
import type { PageRequest } from './endpoint.ts';

/** How an answer is to be written. */
export interface Presentation {
  readonly envelope: boolean;
  readonly pretty: boolean;
}

/** The query part of a request target. */
export function queryOf(target: string): URLSearchParams {
  const at = target.indexOf('?');
  return new URLSearchParams(at === -1 ? '' : target.slice(at + 1));
}

/** What can be known of the presentation before the request is judged: for errors. */
export function presentationOf(query: URLSearchParams): Presentation {
  return { envelope: query.get('envelope') === 'true', pretty: query.get('pretty') === 'true' };
}

/** @throws {ApiError} INVALID_QUERY_PARAMETER for a value that is not true or false */
export function checkPresentation(query: URLSearchParams): void {
  booleanParameter(query, 'envelope', false);
  booleanParameter(query, 'pretty', false);
}

/** @throws {ApiError} INVALID_QUERY_PARAMETER */
export function pageRequestOf(query: URLSearchParams): PageRequest {
  return {
    pageNum: integerParameter(query, 'pageNum', 1, 1, Number.MAX_SAFE_INTEGER),
    itemsPerPage: integerParameter(query, 'itemsPerPage', 100, 1, 500),
    includeCount: booleanParameter(query, 'includeCount', true),
  };
}

function booleanParameter(query: URLSearchParams, name: string, absent: boolean): boolean {
  const text = query.get(name);
  if (text === null || text === '') return absent;
  if (text !== 'true' && text !== 'false') throw apiError('INVALID_QUERY_PARAMETER', name);
  return text === 'true';
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
