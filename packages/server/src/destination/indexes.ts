import { formatNamespace, type Namespace } from '@linkspan/contract/push/namespaces.ts';
import type { Document } from 'mongodb';

import { listIndexes, listIndexesAndBuilds } from './catalog.ts';
import { StructureRefusedError } from './errors.ts';
import { normaliseIndex, planIndexes } from './indexSpecs.ts';
import type { StructureCommands } from './structureCommands.ts';
import { describeConflict, describeHolders, duplicateKeyOf, holdersOf } from './uniqueConflict.ts';

const INDEX_NOT_FOUND = 27;

/**
 * Makes the indexes of a collection those that are wanted: alters what `collMod` can alter, drops what is not
 * wanted, builds what is missing.
 * @param wanted whole specifications without `_id_`, normalised
 * @param collated whether the collection has a collation of its own
 * @throws {StructureRefusedError} with the holders of a key that a unique index cannot hold twice (rule D17)
 * @throws {DestinationUnavailableError} {DestinationRefusedError}
 */
export async function alterIndexes(
  commands: StructureCommands,
  namespace: Namespace,
  wanted: readonly Document[],
  collated: boolean,
): Promise<void> {
  const where = formatNamespace(namespace);
  const normalised = (specs: readonly Document[]): Document[] =>
    specs.map((spec) => normaliseIndex(spec, where));
  // What is being built is not there yet: `createIndexes` waits for the builds that go on.
  const listed = await listIndexesAndBuilds(commands.destination, namespace);
  let plan = planIndexes(normalised(listed.ready), wanted, collated, true);
  const buildable = wanted.map(({ prepareUnique: _prepared, ...spec }) => spec);
  for (const build of listed.builds) {
    if (planIndexes(normalised(build), buildable, collated, false).drop.length === 0) continue;
    await dropIndexes(
      commands,
      namespace,
      build.map(({ name }) => String(name)),
    );
  }
  for (const index of plan.alter) {
    await commands.run(namespace, `change the index ${String(index['name'])}`, {
      collMod: namespace.coll,
      index,
    });
  }
  // Some servers acknowledge an alteration that they do not make.
  if (plan.alter.length > 0) {
    const current = await listIndexes(commands.destination, namespace);
    plan = planIndexes(normalised(current), wanted, collated, false);
  }
  for (const name of plan.drop) await dropIndexes(commands, namespace, [name]);
  if (plan.create.length === 0) return;
  const names = plan.create.map((spec) => String(spec['name'])).join(', ');
  try {
    await commands.run(
      namespace,
      `build the indexes ${names}`,
      { createIndexes: namespace.coll, indexes: plan.create },
      { unhurried: true },
    );
  } catch (error) {
    throw await withHolders(commands, namespace, plan.create, error);
  }
  for (const { name, prepareUnique } of wanted) {
    if (prepareUnique !== true || !plan.create.some((spec) => spec['name'] === name)) continue;
    await commands.run(namespace, `prepare the index ${String(name)} to become unique`, {
      collMod: namespace.coll,
      index: { name, prepareUnique },
    });
  }
}

/** @param names of more than one all that one build makes: a `mongod` takes no other set */
async function dropIndexes(
  commands: StructureCommands,
  namespace: Namespace,
  names: readonly string[],
): Promise<void> {
  const index = names.length === 1 ? names[0] : names;
  const what = `drop the index ${names.join(', ')}`;
  const how = { harmless: INDEX_NOT_FOUND };
  await commands.run(namespace, what, { dropIndexes: namespace.coll, index }, how);
}

/** Rule D17: of a build that found two documents with one key, which those are. */
async function withHolders(
  commands: StructureCommands,
  namespace: Namespace,
  specs: readonly Document[],
  error: unknown,
): Promise<unknown> {
  if (!(error instanceof StructureRefusedError)) return error;
  const conflict = duplicateKeyOf((error.cause as Error).cause);
  if (conflict === null) return error;
  const holders = await holdersOf(commands.destination, namespace, conflict, specs, null, 2);
  return new StructureRefusedError(
    `${formatNamespace(namespace)}: ${describeHolders(holders)} have ${describeConflict(conflict)}`,
    { cause: error.cause, holders },
  );
}
