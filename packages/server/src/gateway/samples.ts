import { fieldsOf, isDocument, orderedDocument } from '@linkspan/contract/bson/ordered.ts';
import type { SampledStructure, StructureSample } from '@linkspan/contract/push/structure.ts';

import { PushError } from './errors.ts';

/**
 * Reads the kinds of options and indexes of a validation's report.
 * @param samples each one BSON document in base64
 * @throws {PushError} MESSAGE_INVALID
 */
export function readSamples(samples: readonly string[]): StructureSample[] {
  return samples.map((text) => {
    const message = decode(Buffer.from(text, 'base64'));
    const { of, count } = message;
    const structure = readStructure(message);
    const isValid = Array.isArray(of) && of.every((name) => typeof name === 'string');
    if (!isValid || structure === null) {
      throw new PushError('MESSAGE_INVALID', 'samples: holds what is no kind of structure.');
    }
    return { of, count: Number(count), ...structure };
  });
}

function readStructure({
  options,
  index,
  view,
  buckets,
}: Record<string, unknown>): SampledStructure | null {
  if (isDocument(options)) {
    return { options: objectOf(options), ...(buckets === true && { buckets }) };
  }
  if (isDocument(view)) return { view: objectOf(view) };
  if (!isDocument(index)) return null;
  const spec = objectOf(index);
  return typeof spec['name'] === 'string' && isDocument(spec['key']) ? { index: spec } : null;
}

function objectOf(document: object): Record<string, unknown> {
  return Object.fromEntries(fieldsOf(document));
}

function decode(raw: Buffer): Record<string, unknown> {
  try {
    return orderedDocument(raw);
  } catch {
    throw new PushError('MESSAGE_INVALID', 'samples: must be BSON in base64.');
  }
}
