import Type from 'typebox';

/** Parts of the schemas of this folder. */

export const Id = Type.String({ pattern: '^[0-9a-f]{24}$' });
/** A store keeps whole numbers as they are up to this one, and no JSON parser rounds one of them. */
export const LARGEST = { maximum: Number.MAX_SAFE_INTEGER } as const;
export const Count = Type.Integer({ minimum: 0, ...LARGEST });
export const Nullable = <T extends Type.TSchema>(schema: T) => Type.Union([schema, Type.Null()]);
export const closed = { additionalProperties: false } as const;
