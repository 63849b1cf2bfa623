import { setTimeout as delay } from 'node:timers/promises';
import { EJSON } from 'bson';
import { type ChangeStreamDocument, MongoClient } from 'mongodb';

const KEPT = 5000;
const DOCUMENT_EVENTS = ['insert', 'update', 'replace', 'delete'];

/** The structural events of the source, for whoever looks for the cause of a difference. */
export class History implements AsyncDisposable {
  readonly #client: MongoClient;
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;
  #lines: string[] = [];

  constructor(uri: string) {
    this.#client = new MongoClient(uri, { appName: 'torture' });
    this.#done = this.#follow();
  }

  /** One event a line, the newest last. */
  toString(): string {
    return this.#lines.join('\n');
  }

  async #follow(): Promise<void> {
    const { signal } = this.#stop;
    const pipeline = [{ $match: { operationType: { $nin: DOCUMENT_EVENTS } } }];
    let resumeAfter: unknown;
    while (!signal.aborted) {
      const options = resumeAfter === undefined ? {} : { resumeAfter };
      const stream = this.#client.watch(pipeline, { showExpandedEvents: true, ...options });
      const close = (): void => void stream.close().catch(() => undefined);
      signal.addEventListener('abort', close, { once: true });
      try {
        for await (const event of stream) {
          resumeAfter = event._id;
          this.#note(event);
        }
      } catch {
        // The source is down, or this one is stopped.
        await delay(500);
      } finally {
        signal.removeEventListener('abort', close);
        close();
      }
    }
  }

  #note(event: ChangeStreamDocument): void {
    const { _id, wallTime, ...rest } = event as ChangeStreamDocument & { wallTime?: Date };
    this.#lines.push(`${wallTime?.getTime() ?? ''} ${EJSON.stringify(rest)}`);
    if (this.#lines.length > 2 * KEPT) this.#lines = this.#lines.slice(-KEPT);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#done;
    await this.#client.close();
  }
}
