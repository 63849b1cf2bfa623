import type { Random } from '../random.ts';
import { document } from './documents.ts';
import { DURABLE, type Feature, type Operation, type Source } from './feature.ts';
import { anyDatabase, COLLECTIONS, PASSING, PASSING_DATABASE } from './names.ts';

function some(random: Random, count: number) {
  const first = random.between(0, 300);
  return Array.from({ length: count }, (_, index) => document(first + index, random));
}

const fill = (source: Source, db: string, coll: string, random: Random) =>
  source.collection(db, coll).insertMany(some(random, random.between(1, 40)), DURABLE);

const OPTIONS = [
  {},
  { validator: { n: { $gte: 0 } }, validationLevel: 'moderate', validationAction: 'error' },
  { collation: { locale: 'fr', strength: 1 } },
  { changeStreamPreAndPostImages: { enabled: true } },
  { clusteredIndex: { key: { _id: 1 }, unique: true, name: 'clustered' } },
] as const;

const OPERATIONS: readonly Operation[] = [
  {
    kind: 'create',
    weight: 2,
    run: (source, random) =>
      source
        .db(anyDatabase(random))
        .createCollection(random.pick(PASSING), random.pick(OPTIONS) as object),
  },
  {
    kind: 'create and fill',
    weight: 3,
    run: (source, random) => fill(source, anyDatabase(random), random.pick(PASSING), random),
  },
  {
    kind: 'drop',
    weight: 3,
    renames: true,
    run: (source, random) => source.db(anyDatabase(random)).collection(random.pick(PASSING)).drop(),
  },
  {
    kind: 'drop and create again',
    weight: 2,
    renames: true,
    async run(source, random) {
      const db = anyDatabase(random);
      const coll = random.pick(PASSING);
      await source.db(db).collection(coll).drop();
      await fill(source, db, coll, random);
    },
  },
  {
    kind: 'rename',
    weight: 3,
    renames: true,
    run: (source, random) =>
      source.db(anyDatabase(random)).collection(random.pick(PASSING)).rename(random.pick(PASSING)),
  },
  {
    kind: 'rename with dropTarget',
    weight: 2,
    renames: true,
    run: (source, random) =>
      source
        .db(anyDatabase(random))
        .collection(random.pick(PASSING))
        .rename(random.pick(PASSING), { dropTarget: true }),
  },
  {
    kind: 'renames in a chain',
    weight: 1,
    renames: true,
    async run(source, random) {
      const db = source.db(anyDatabase(random));
      const [first, second, third] = PASSING;
      await db.collection(second).rename(third, { dropTarget: true });
      await db.collection(first).rename(second, { dropTarget: true });
      await db.collection(third).rename(first);
    },
  },
  {
    kind: 'rename of what is copied',
    weight: 1,
    renames: true,
    async run(source, random) {
      const db = source.db(anyDatabase(random));
      const coll = random.pick(COLLECTIONS);
      await db.collection(coll).rename('aside', { dropTarget: true });
      await db.collection('aside').rename(coll);
    },
  },
  {
    kind: 'drop database',
    weight: 1,
    renames: true,
    async run(source, random) {
      await source.db(PASSING_DATABASE).dropDatabase();
      await fill(source, PASSING_DATABASE, random.pick(COLLECTIONS), random);
    },
  },
  {
    kind: 'change options',
    weight: 2,
    run: (source, random) =>
      source.db(anyDatabase(random)).command({
        collMod: random.pick(PASSING),
        validator: random.chance(0.5) ? {} : { n: { $exists: true } },
        validationLevel: random.pick(['off', 'moderate']),
      }),
  },
];

/** Collections that come and go under the same names (rules D2, D16, D18; hazards 7 and 8). */
export const structure: Feature = { name: 'structure', operations: OPERATIONS };
