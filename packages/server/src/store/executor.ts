import type { Kysely } from 'kysely';
import type { Schema } from './schema.ts';

/**
 * What the functions of a resource run on: the store itself, or a transaction of it. Pass the
 * transaction to all of them to make several one unit.
 */
export type Executor = Kysely<Schema>;
