const SHOWN = 5;

/** What a run of the torture counts, for whoever reads its end. */
export class Figures {
  readonly operations = new Map<string, { done: number; refused: number }>();
  readonly faults = new Map<string, number>();
  readonly controls = new Map<string, number>();
  readonly differences: string[] = [];
  /** Documents that a server finds by their `_id` and does not show when all are read: its own fault. */
  readonly contradictions: string[] = [];
  rounds = 0;
  /** Documents and collections that were compared on both sides, all rounds together. */
  documents = 0;
  collections = 0;
  bytes = 0;
  /** Change events of the source while it was migrated, and changes that were pushed for them. */
  events = 0;
  pushed = 0;
  /** Ranges that a migration host copied for another one. */
  sharedRanges = 0;

  operation(kind: string, isRefused: boolean): void {
    const count = this.operations.get(kind) ?? { done: 0, refused: 0 };
    if (isRefused) count.refused += 1;
    else count.done += 1;
    this.operations.set(kind, count);
  }

  fault(kind: string): void {
    this.faults.set(kind, (this.faults.get(kind) ?? 0) + 1);
  }

  control(kind: string): void {
    this.controls.set(kind, (this.controls.get(kind) ?? 0) + 1);
  }

  get faultCount(): number {
    return [...this.faults.values()].reduce((sum, count) => sum + count, 0);
  }

  toString(): string {
    const operations = [...this.operations].toSorted(byName);
    const done = operations.reduce((sum, [, count]) => sum + count.done, 0);
    const refused = operations.reduce((sum, [, count]) => sum + count.refused, 0);
    return [
      `migrations cut over     ${this.rounds}`,
      `compared                ${this.documents} documents, ${this.collections} collections, ${Math.round(this.bytes / 1e6)} MB`,
      `events of the sources   ${this.events}`,
      `changes pushed          ${this.pushed}`,
      `ranges of other hosts   ${this.sharedRanges}`,
      `operations              ${done}, and ${refused} that the source refused`,
      ...operations.map(([kind, count]) => `  ${kind}: ${count.done} (${count.refused})`),
      `controls                ${sum(this.controls)}`,
      ...lines(this.controls),
      `faults                  ${this.faultCount}`,
      ...lines(this.faults),
      `servers contradict themselves ${this.contradictions.length}`,
      ...this.contradictions.slice(0, SHOWN).map((one) => `  ${one}`),
      `differences             ${this.differences.length}`,
      ...this.differences.map((difference) => `  ${difference}`),
    ].join('\n');
  }
}

function byName([a]: [string, unknown], [b]: [string, unknown]): number {
  return a < b ? -1 : 1;
}

function sum(counts: ReadonlyMap<string, number>): number {
  return [...counts.values()].reduce((total, count) => total + count, 0);
}

function lines(counts: ReadonlyMap<string, number>): string[] {
  return [...counts].toSorted(byName).map(([kind, count]) => `  ${kind}: ${count}`);
}
