import type { Static, TSchema } from 'typebox';
import Value from 'typebox/value';

import { PushError } from './errors.ts';

/**
 * Reads a JSON body of the protocol.
 * @throws {PushError} MESSAGE_INVALID naming the field
 */
export function readJson<S extends TSchema>(schema: S, body: unknown): Static<S> {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.isBuffer(body) ? body.toString('utf8') : '');
  } catch {
    throw new PushError('MESSAGE_INVALID', 'The body is not JSON.');
  }
  if (Value.Check(schema, value)) return value;
  const [first] = Value.Errors(schema, value);
  const field = first === undefined || first.instancePath === '' ? 'the body' : first.instancePath;
  throw new PushError('MESSAGE_INVALID', `${field}: ${first?.message ?? 'is not valid'}.`);
}

/** @throws {PushError} MESSAGE_INVALID */
export function readText(message: Readonly<Record<string, unknown>>, field: string): string {
  const value = message[field];
  if (typeof value === 'string' && value !== '') return value;
  throw new PushError('MESSAGE_INVALID', `${field}: must be a string that is not empty.`);
}

/** An integer of any BSON number type. @throws {PushError} MESSAGE_INVALID */
export function readInteger(
  message: Readonly<Record<string, unknown>>,
  field: string,
  minimum: number,
  maximum: number,
): number {
  const value = message[field];
  const number = typeof value === 'boolean' || value === null ? Number.NaN : Number(value);
  if (Number.isSafeInteger(number) && number >= minimum && number <= maximum) return number;
  throw new PushError(
    'MESSAGE_INVALID',
    `${field}: must be an integer from ${minimum} to ${maximum}.`,
  );
}
