import Type, { type Static, type TSchema } from 'typebox';

/** 24 hex digits. */
export const Id = Type.String({ pattern: '^[0-9a-f]{24}$' });

/** A time as answers have it: ISO 8601 in UTC, whole seconds (recorded). */
export const Time = Type.String({ format: 'date-time' });

export const Link = Type.Object({ href: Type.String(), rel: Type.String() });
export type Link = Static<typeof Link>;
export const Links = Type.Array(Link);

export const Nullable = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);

/** Fields that a client may send back because a resource has them; they are not read. */
export const ReadOnly = Type.Optional(Type.Unknown());

/** An object: attributes that it does not know are refused. */
export const closed = { additionalProperties: false } as const;

/** The answer of an operation that has nothing to say. */
export const Empty = Type.Object({}, closed);

/** A page of a list. `totalCount` is 0 where `includeCount=false` (recorded). */
export interface Page<T> {
  readonly links: readonly Link[];
  readonly results: readonly T[];
  readonly totalCount: number;
}

/** The schema of a page. */
export const PageOf = <T extends TSchema>(item: T) =>
  Type.Object(
    { links: Links, results: Type.Array(item), totalCount: Type.Integer({ minimum: 0 }) },
    closed,
  );

const NAME = /^[\p{L}\p{N} \-_.(),:&@+']{1,64}$/u;

/** A name of an organization or project, as Atlas specifies it (spaces are in recorded ones). */
export function isName(text: string): boolean {
  return NAME.test(text) && text.trim() === text;
}
