import type { TestSpecification } from 'vitest/node';
import { BaseSequencer } from 'vitest/node';

/** Test files that take longest, the longest first: begun last, one of them would be waited for alone. */
const LONGEST = [
  'nodesRemoval',
  'faultsOfAgent',
  'faultsAround',
  'hosts',
  'kill',
  'pause',
  'nodesTakeover',
  'torture',
  'writeBlock',
  'removal',
  'documentation',
].map((name) => `/e2e/src/${name}.test.ts`);

/** Where nothing is known of earlier runs, as on a fresh clone, Vitest goes by the size of files. */
export class LongestFirst extends BaseSequencer {
  override async sort(specifications: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(specifications);
    const rank = ({ moduleId }: TestSpecification): number => {
      const found = LONGEST.findIndex((file) => moduleId.endsWith(file));
      return found === -1 ? LONGEST.length : found;
    };
    // Not across projects, whose order is Vitest's.
    const projects = Map.groupBy(sorted, ({ project }) => project);
    return [...projects.values()].flatMap((own) => own.toSorted((a, b) => rank(a) - rank(b)));
  }
}
