/** Now, as the store keeps times: ISO 8601 in UTC with milliseconds. */
export function timestamp(at: Date = new Date()): string {
  return at.toISOString();
}

/** A stored time as the API shows it: ISO 8601 in UTC, whole seconds. */
export function apiTime(stored: string): string {
  return `${stored.slice(0, 19)}Z`;
}
