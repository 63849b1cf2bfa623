import Type, { type Static } from 'typebox';

/** 24 hex digits. */
export const Id = Type.String({ pattern: '^[0-9a-f]{24}$' });

export const Link = Type.Object({ href: Type.String(), rel: Type.String() });
export type Link = Static<typeof Link>;

/** Fields that a client may send back because a resource has them; they are not read. */
export const ReadOnly = Type.Optional(Type.Unknown());

/** A request's object: attributes it does not know are refused. */
export const closed = { additionalProperties: false } as const;

/** A page of a list. `totalCount` is left out where `includeCount=false`. */
export interface Page<T> {
  readonly links: readonly Link[];
  readonly results: readonly T[];
  readonly totalCount?: number;
}

const NAME = /^[\p{L}\p{N} \-_.(),:&@+']{1,64}$/u;

/** A name of an organization or project, as Atlas specifies it (spaces are in recorded ones). */
export function isName(text: string): boolean {
  return NAME.test(text) && text.trim() === text;
}
