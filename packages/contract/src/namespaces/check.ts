import type { FieldViolation } from '../api/errors.ts';
import type { Namespaces } from '../push/work.ts';
import { type Namespace, isMigratable } from '../push/namespaces.ts';
import { differingByCase, whyNotDatabase, whyNotNamespace } from './destinationNames.ts';
import { parseName, parsePattern, PatternError, quoteName } from './pattern.ts';
import { Selection } from './selection.ts';

/** A database has no `coll`. */
interface Name {
  readonly db: string;
  readonly coll: string | null;
}

interface Rename {
  readonly field: string;
  readonly from: Name;
  readonly to: Name;
}

/**
 * What is wrong with a selection, whatever the source holds: what cannot be read, names that no server
 * takes, renames that lead to one name or to where nothing can come from.
 * @param field the attribute that it stands in
 */
export function checkNamespaces(namespaces: Namespaces, field = 'namespaces'): FieldViolation[] {
  const problems: FieldViolation[] = [];
  const read = <T>(where: string, text: string, parse: (text: string) => T): T | undefined => {
    try {
      return parse(text);
    } catch (error) {
      if (!(error instanceof PatternError)) throw error;
      problems.push({ field: where, description: `${JSON.stringify(text)} ${error.message}` });
      return undefined;
    }
  };
  for (const list of ['include', 'exclude'] as const) {
    for (const [index, text] of namespaces[list].entries()) {
      read(`${field}.${list}[${index}]`, text, parsePattern);
    }
  }
  const renames = namespaces.rename.flatMap((rename, index): Rename[] => {
    const where = `${field}.rename[${index}]`;
    const from = read(`${where}.from`, rename.from, parseName);
    const to = read(`${where}.to`, rename.to, parseName);
    return from === undefined || to === undefined ? [] : [{ field: where, from, to }];
  });
  if (problems.length > 0) return problems;
  const selection = new Selection(namespaces);
  for (const rename of renames) {
    const problem = problemOf(rename, selection);
    if (problem !== null) problems.push(problem);
  }
  problems.push(...sameNames(renames), ...sameButForCase(renames, field));
  return problems;
}

function problemOf({ field, from, to }: Rename, selection: Selection): FieldViolation | null {
  const at = (part: string, description: string): FieldViolation => ({
    field: `${field}.${part}`,
    description,
  });
  if ((from.coll === null) !== (to.coll === null)) {
    return at('to', 'a database is renamed to a database, and a namespace to a namespace');
  }
  if (!isMigratable({ db: from.db, coll: from.coll ?? '' })) {
    return at('from', `${show(from)} is never migrated`);
  }
  if (!isSelected(from, selection)) {
    return at('from', `${show(from)} is not selected by include and exclude`);
  }
  const reason = to.coll === null ? whyNotDatabase(to.db) : whyNotNamespace(to as Namespace);
  return reason === null ? null : at('to', `${show(to)}: ${reason}`);
}

function isSelected({ db, coll }: Name, selection: Selection): boolean {
  return coll === null ? selection.maySelectIn(db) : selection.selects({ db, coll });
}

/** One source has one name; two namespaces do not get the same one. Databases may be put together. */
function sameNames(renames: readonly Rename[]): FieldViolation[] {
  const problems: FieldViolation[] = [];
  const froms = new Set<string>();
  const tos = new Set<string>();
  for (const { field, from, to } of renames) {
    if (froms.has(show(from))) {
      problems.push({ field: `${field}.from`, description: `${show(from)} is renamed twice` });
    }
    if (to.coll !== null && tos.has(show(to))) {
      const description = `${show(to)} is what another namespace is renamed to, too`;
      problems.push({ field: `${field}.to`, description });
    }
    froms.add(show(from));
    tos.add(show(to));
  }
  return problems;
}

function sameButForCase(renames: readonly Rename[], field: string): FieldViolation[] {
  return differingByCase(renames.map(({ to }) => to.db)).map(([one, other]) => ({
    field: `${field}.rename`,
    description: `databases "${one}" and "${other}" differ by case only: a server has one of them`,
  }));
}

function show({ db, coll }: Name): string {
  return coll === null ? db : quoteName({ db, coll });
}
