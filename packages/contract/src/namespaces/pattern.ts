import type { Namespace } from '../push/namespaces.ts';

/** What is wrong with a name or pattern, for the person who wrote it. */
export class PatternError extends Error {
  override readonly name = 'PatternError';
}

/** A character as itself, or one of the two that stand for others. */
type Part = { readonly literal: string } | 'any' | 'one';

/** One half of a pattern: of the names of databases, or of collections. */
export type NamePattern = readonly Part[];

/** `db.coll` with `*` (any characters, or none) and `?` (one character) in either half. */
export interface NamespacePattern {
  readonly db: NamePattern;
  readonly coll: NamePattern;
}

const ANYTHING: NamePattern = ['any'];

/**
 * Reads a pattern of namespaces. The first dot ends the database's name; a pattern without a dot means
 * every collection of the database. Before `*`, `?` and `\` a backslash makes them ordinary characters.
 * @throws {PatternError}
 */
export function parsePattern(text: string): NamespacePattern {
  const { db, coll } = split(text);
  return { db, coll: coll ?? ANYTHING };
}

/**
 * Reads the name of a database (`coll` is null) or a namespace, as patterns are written, but without any
 * `*` or `?` that stands for others.
 * @throws {PatternError}
 */
export function parseName(text: string): { readonly db: string; readonly coll: string | null } {
  const { db, coll } = split(text);
  return { db: literally(db), coll: coll === null ? null : literally(coll) };
}

/** A name as it has to be written to be read as itself. */
export function quoteName({ db, coll }: Namespace): string {
  const quote = (name: string): string => name.replaceAll(/[*?\\]/g, String.raw`\$&`);
  return `${quote(db)}.${quote(coll)}`;
}

export function matches(pattern: NamespacePattern, { db, coll }: Namespace): boolean {
  return matchesName(pattern.db, db) && matchesName(pattern.coll, coll);
}

/**
 * In a time that grows with the product of both lengths at most: after a mismatch only the last `*` is
 * tried again, one character later.
 */
export function matchesName(pattern: NamePattern, name: string): boolean {
  const characters = Array.from(name);
  let at = 0;
  let part = 0;
  let lastAny = -1;
  let retryAt = 0;
  while (at < characters.length) {
    const wanted = pattern[part];
    if (wanted === 'any') {
      lastAny = part;
      retryAt = at;
      part += 1;
    } else if (wanted === 'one' || (wanted !== undefined && wanted.literal === characters[at])) {
      at += 1;
      part += 1;
    } else if (lastAny >= 0) {
      retryAt += 1;
      at = retryAt;
      part = lastAny + 1;
    } else {
      return false;
    }
  }
  return pattern.slice(part).every((rest) => rest === 'any');
}

/** True for `*` alone, however often. */
export function matchesEverything(pattern: NamePattern): boolean {
  return pattern.length > 0 && pattern.every((part) => part === 'any');
}

function split(text: string): { readonly db: NamePattern; readonly coll: NamePattern | null } {
  const db: Part[] = [];
  let coll: Part[] | null = null;
  const characters = Array.from(text);
  for (let at = 0; at < characters.length; at += 1) {
    const character = characters[at] ?? '';
    const half = coll ?? db;
    if (character === '\\') {
      at += 1;
      half.push({ literal: escaped(characters[at]) });
    } else if (character === '*') half.push('any');
    else if (character === '?') half.push('one');
    else if (character === '.' && coll === null) coll = [];
    else half.push({ literal: character });
  }
  if (db.length === 0) throw new PatternError('has no database');
  if (coll?.length === 0) {
    throw new PatternError(
      'has no collection after its dot: leave the dot out to mean all of them',
    );
  }
  return { db, coll };
}

function escaped(character: string | undefined): string {
  if (character !== undefined && '*?\\'.includes(character)) return character;
  throw new PatternError(
    String.raw`has a \ that stands before none of * ? \ and has to be doubled`,
  );
}

function literally(pattern: NamePattern): string {
  return pattern
    .map((part) => {
      if (typeof part === 'object') return part.literal;
      throw new PatternError(
        String.raw`is a pattern, where one name is needed: write \* and \? for names that hold these`,
      );
    })
    .join('');
}
