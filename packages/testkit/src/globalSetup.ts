import { prepareMongoDB } from './mongodb.ts';

/** Vitest's hook: an installation does not count against the timeout of the first test. */
export const setup = prepareMongoDB;
