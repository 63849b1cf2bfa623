import type { Random } from '../random.ts';

/** Collections that hold documents from the beginning and are written most. */
export const DATABASES = ['app', 'shop'] as const;

/** Names as the field has them. */
export const COLLECTIONS = [
  'orders',
  'users',
  'with.dots.in.it',
  'with a space',
  'größe 日本 🚢',
  `quoted"and'so`,
] as const;

/** Names that come and go: created, dropped, renamed into each other. */
export const PASSING = ['tmp1', 'tmp2', 'tmp3', 'tmp4'] as const;

/** A database that is dropped as a whole. */
export const PASSING_DATABASE = 'scratch';

export function anyDatabase(random: Random): string {
  return random.pick(DATABASES);
}

/** Any name, mostly one of those that stay. */
export function anyCollection(random: Random): string {
  return random.chance(0.8) ? random.pick(COLLECTIONS) : random.pick(PASSING);
}
