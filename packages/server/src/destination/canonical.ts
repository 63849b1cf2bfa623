import { fieldsOf, isDocument } from '@linkspan/contract/bson/ordered.ts';
import { BSON, Decimal128, Double, Int32, Long, type Document } from 'mongodb';

/**
 * One text for values that mean the same in an option or an index: numbers by value whatever their
 * type (servers store `1` and `1.0` as they like there), everything else by type and value, fields
 * in their order.
 */
export function canonical(value: unknown): string {
  if (value === undefined) return 'absent';
  if (value instanceof Int32 || value instanceof Double) return `#${value.valueOf()}`;
  if (typeof value === 'number' || typeof value === 'bigint') return `#${value}`;
  if (Long.isLong(value)) return `#${value.toString()}`;
  if (value instanceof Decimal128) return `#${Number(value.toString())}`;
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (isDocument(value)) {
    const fields = fieldsOf(value).map(
      ([name, field]) => `${JSON.stringify(name)}:${canonical(field)}`,
    );
    return `{${fields.join(',')}}`;
  }
  return BSON.EJSON.stringify(value, { relaxed: false });
}

/** The value of a flag: servers keep 1, 1.0 and true as they were given. */
export function isTrue(value: unknown): boolean {
  return Boolean(isPrimitive(value) ? value : Number(value));
}

/** A collation, or undefined for binary comparison. Its version is the server's own business. */
export function normaliseCollation(value: unknown): Document | undefined {
  const { version: _version, ...collation } = Object.fromEntries(fieldsOf(value));
  const { locale } = collation;
  return locale === undefined || locale === 'simple' ? undefined : collation;
}

function isPrimitive(value: unknown): boolean {
  return typeof value !== 'object' || value === null;
}
