import { type Namespace, bucketsOf } from '@linkspan/contract/push/namespaces.ts';
import type { Incarnation } from '../journal/incarnations.ts';

/** Where the documents that are moved of a collection are read: of a time series, its buckets (D20). */
export function contentOf({ source, buckets }: Incarnation): Namespace {
  return buckets ? bucketsOf(source) : source;
}

/** Where they are pushed to, as a push names it; null while it was not created there. */
export function targetOf({
  destination,
  buckets,
}: Incarnation): (Namespace & { readonly buckets?: true }) | null {
  if (destination === null) return null;
  return buckets ? { ...destination, buckets } : destination;
}
