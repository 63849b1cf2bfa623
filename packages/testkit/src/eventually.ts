import { vi } from 'vitest';

/** Waits until a check does not throw, for longer than a busy machine takes. */
export function eventually<T>(check: () => T | Promise<T>): Promise<T> {
  return vi.waitFor(check, 20_000);
}
