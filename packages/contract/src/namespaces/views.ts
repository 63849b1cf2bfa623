import type { Document } from 'bson';
import { fieldsOf } from '../bson/ordered.ts';
import { formatNamespace, type Namespace } from '../push/namespaces.ts';
import type { Selection } from './selection.ts';

/** A view names collections of its own database only, and would have to name one of another. */
export class ViewAcrossDatabasesError extends Error {
  override readonly name = 'ViewAcrossDatabasesError';
}

/**
 * The options that a view has at the destination: the collections that it names have the names there that
 * they get (`viewOn`, and `$lookup`, `$graphLookup` and `$unionWith` at any depth of its pipeline).
 * @throws {ViewAcrossDatabasesError}
 */
export function viewAtDestination(
  selection: Selection,
  view: Namespace,
  options: Document,
): Document {
  if (!selection.renames) return options;
  const { db } = selection.destinationOf(view);
  return renamed(options, (coll) => {
    const used = { db: view.db, coll };
    const to = selection.destinationOf(used);
    if (to.db === db) return to.coll;
    throw new ViewAcrossDatabasesError(
      `it is a view that reads ${formatNamespace(used)}, and they would be in two databases at the destination, "${db}" and "${to.db}": rename both into one, or exclude the view`,
    );
  });
}

/** The collections and views that a view reads, by its own definition. */
export function namesInView(view: Namespace, options: Document): Namespace[] {
  const names = new Set<string>();
  renamed(options, (coll) => {
    names.add(coll);
    return coll;
  });
  return [...names].map((coll) => ({ db: view.db, coll }));
}

type Rename = (coll: string) => string;

function renamed(options: Document, rename: Rename): Document {
  const { viewOn, pipeline } = options as { viewOn?: unknown; pipeline?: unknown };
  return {
    ...options,
    ...(typeof viewOn === 'string' && { viewOn: rename(viewOn) }),
    ...(Array.isArray(pipeline) && { pipeline: stages(pipeline, rename) }),
  };
}

function stages(pipeline: readonly unknown[], rename: Rename): unknown[] {
  return pipeline.map((stage) => withFields(stage, (name, value) => stageOf(name, value, rename)));
}

function stageOf(stage: string, value: unknown, rename: Rename): unknown {
  switch (stage) {
    case '$unionWith':
      return typeof value === 'string' ? rename(value) : naming('coll', value, rename);
    case '$lookup':
    case '$graphLookup':
      return naming('from', value, rename);
    case '$facet':
      return withFields(value, (_, inner) => pipelineOf(inner, rename));
    default:
      return value;
  }
}

function naming(field: string, value: unknown, rename: Rename): unknown {
  return withFields(value, (name, inner) => {
    if (name === field && typeof inner === 'string') return rename(inner);
    return name === 'pipeline' ? pipelineOf(inner, rename) : inner;
  });
}

function pipelineOf(value: unknown, rename: Rename): unknown {
  return Array.isArray(value) ? stages(value, rename) : value;
}

/** The same document with other values, in the same order. */
function withFields(
  document: unknown,
  change: (name: string, value: unknown) => unknown,
): Map<string, unknown> {
  return new Map(fieldsOf(document).map(([name, value]) => [name, change(name, value)]));
}
