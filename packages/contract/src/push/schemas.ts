import Type from 'typebox';

/** Parts of the schemas of this folder. */

export const Id = Type.String({ pattern: '^[0-9a-f]{24}$' });
export const Count = Type.Integer({ minimum: 0 });
export const Nullable = <T extends Type.TSchema>(schema: T) => Type.Union([schema, Type.Null()]);
export const closed = { additionalProperties: false } as const;
