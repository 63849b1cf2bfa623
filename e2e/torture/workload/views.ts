import type { Feature } from './feature.ts';
import { anyDatabase } from './names.ts';

const VIEWS = ['seen', 'seen too'];
const PIPELINES = [[], [{ $match: { n: { $gt: 5 } } }], [{ $project: { n: 1 } }]];

/** Views: definitions, no documents. */
export const views: Feature = {
  name: 'views',
  prepare: (source) => source.db('app').createCollection('seen', { viewOn: 'users', pipeline: [] }),
  operations: [
    {
      kind: 'create view',
      weight: 1,
      run: (source, random) =>
        source.db(anyDatabase(random)).createCollection(random.pick(VIEWS), {
          viewOn: random.pick(['users', 'orders', 'nowhere']),
          pipeline: random.pick(PIPELINES),
        }),
    },
    {
      kind: 'change view',
      weight: 1,
      run: (source, random) =>
        source.db(anyDatabase(random)).command({
          collMod: random.pick(VIEWS),
          viewOn: 'orders',
          pipeline: random.pick(PIPELINES),
        }),
    },
    {
      kind: 'drop view',
      weight: 0.5,
      run: (source, random) => source.db(anyDatabase(random)).collection(random.pick(VIEWS)).drop(),
    },
  ],
};
