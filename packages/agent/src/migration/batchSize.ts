import { sizeOf } from '../source/cutBySize.ts';
import type { MigrationContext } from './context.ts';
import { TYPICAL_BYTES } from './sizes.ts';

const SMALLEST_BATCH = 50;
const LARGEST_BATCH = 4000;

/** How many documents to read at once for a push of the copy: follows their size and the throttle. */
export class BatchSize {
  readonly #context: Pick<MigrationContext, 'options' | 'throttle'>;
  #averageBytes = TYPICAL_BYTES;

  constructor(context: Pick<MigrationContext, 'options' | 'throttle'>) {
    this.#context = context;
  }

  readonly next = (): number => {
    const { options, throttle } = this.#context;
    const bytes = Math.min(options.copyBatchBytes, throttle.bytesAtOnce);
    const wanted = Math.max(SMALLEST_BATCH, Math.floor(bytes / this.#averageBytes));
    return Math.min(LARGEST_BATCH, throttle.documentsAtOnce, wanted);
  };

  learn(documents: readonly Buffer[]): void {
    if (documents.length > 0) this.#averageBytes = sizeOf(documents) / documents.length;
  }
}
