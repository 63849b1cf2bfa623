import { cappedCollections } from './capped.ts';
import { collatedKeys } from './collated.ts';
import { documents } from './documents.ts';
import type { Feature } from './feature.ts';
import { indexes } from './indexes.ts';
import { largeDocuments } from './largeDocuments.ts';
import { longCollections } from './longCollections.ts';
import { oddKeys } from './oddIds.ts';
import { structure } from './structure.ts';
import { timeSeries } from './timeSeries.ts';
import { transactions } from './transactions.ts';
import { views } from './views.ts';

/** All that the torture does to a source. A new one is a file beside this one and a line here. */
export const FEATURES: readonly Feature[] = [
  documents,
  oddKeys,
  collatedKeys,
  transactions,
  structure,
  indexes,
  views,
  largeDocuments,
  cappedCollections,
  timeSeries,
];

/** The same, and collections that several migration hosts copy together. */
export const FEATURES_OF_SEVERAL_HOSTS: readonly Feature[] = [...FEATURES, longCollections];
