import { comparableKey } from '@linkspan/contract/bson/comparableKey.ts';
import { isExact } from '@linkspan/contract/bson/ordered.ts';
import { asBuffer, keyOf } from '@linkspan/contract/bson/raw.ts';
import { type KeyDigestReply, documentDigest } from '@linkspan/contract/push/digest.ts';
import { type Namespace, formatNamespace } from '@linkspan/contract/push/namespaces.ts';
import type { Incarnation } from '../journal/incarnations.ts';
import { DIFFERED_AT_MOST, type KeyToVerify } from '../journal/keysToVerify.ts';
import { DigestCursorLostError } from '../push/errors.ts';
import { cutBySize } from '../source/cutBySize.ts';
import { KEY_BYTES_AT_ONCE, readBack } from '../source/reader.ts';
import { contentOf, targetOf } from './content.ts';
import { type MigrationContext, isReady } from './context.ts';
import { recover } from './recover.ts';
import type { VerifierPace } from './verifierPace.ts';

const IDLE_MS = 1000;

/** Keys compared at once: grows and shrinks with the time that it takes. */
const FIRST_KEYS = 100;
const FEWEST_KEYS = 25;
const MOST_KEYS = 1000;
const QUICK_MS = 100;
const SLOW_MS = 400;

const WALK_BATCH = 1000;

/** What one side holds of a key: its bytes as they are there, and the digest of the document. */
interface Held {
  readonly key: Buffer;
  readonly digest: Buffer;
}

/**
 * Compares keys by themselves (rule D19): those that a walk saw differ, and those that were pushed since
 * the comparison of their collection began. A key counts as equal or different only if it was neither
 * marked nor pushed from before it was read until the stream has passed the read.
 */
export class KeyVerifier {
  readonly #context: MigrationContext;
  readonly #pace: VerifierPace;
  #keysAtOnce = FIRST_KEYS;

  constructor(context: MigrationContext, pace: VerifierPace) {
    this.#context = context;
    this.#pace = pace;
  }

  /** Runs until the signal aborts. */
  async run(): Promise<never> {
    const { work, signal, journal } = this.#context;
    for (;;) {
      const { version } = work;
      let compared = 0;
      const ids = this.#pace.mayRun ? journal.keysToVerify.incarnations() : [];
      for (const id of ids) {
        const started = performance.now();
        const count = await this.#compareSome(id);
        if (count > 0) await this.#pace.rest(performance.now() - started);
        compared += count;
      }
      if (compared === 0) await work.wait(version, IDLE_MS, signal);
    }
  }

  /** @returns how many keys were read */
  async #compareSome(id: number): Promise<number> {
    const { journal, waiting } = this.#context;
    const incarnation = journal.incarnations.get(id);
    if (incarnation === undefined || !isReady(journal, incarnation)) return 0;
    // Of a capped collection the order counts, which a key by itself does not show (rule D12).
    if (incarnation.capped !== null) return 0;
    const keys = journal.keysToVerify.take(id, this.#keysAtOnce);
    if (keys.length === 0) return 0;
    const what = `comparing changes of ${formatNamespace(incarnation.source)}`;
    try {
      await this.#compare(incarnation, keys);
      waiting.clear(what);
    } catch (error) {
      // A cursor that was lost: they are taken again.
      if (error instanceof DigestCursorLostError) return keys.length;
      await recover(this.#context, incarnation, what, error);
    }
    return keys.length;
  }

  async #compare(incarnation: Incarnation, keys: readonly KeyToVerify[]): Promise<void> {
    const { id, source: namespace } = incarnation;
    const target = targetOf(incarnation);
    if (target === null) return;
    const content = contentOf(incarnation);
    const { source, gate, lives, signal, journal, work, hooks } = this.#context;
    const names = lives.nameChanges(id);
    await hooks.beforeVerifying?.(formatNamespace(namespace));
    const documentKeys = keys.map(({ documentKey }) => documentKey);
    const started = performance.now();
    const here = new Map<string, Held>();
    let readAt = gate.position.time;
    for await (const { documents, time } of readBack(source, content, documentKeys, readAt)) {
      for (const document of documents) note(here, keyOf(document), documentDigest(document));
      readAt = time;
    }
    const there = await this.#readDestination(target, documentKeys);
    this.#adapt(performance.now() - started);
    await hooks.afterRead?.('verify', formatNamespace(namespace));
    await gate.waitFor(readAt, signal);
    if (lives.nameChanges(id) !== names) return;
    journal.transaction(() => {
      for (const key of keys) {
        if (!journal.keysToVerify.isSettled(id, key)) continue;
        const text = key.comparable.toString('latin1');
        this.#decide(incarnation, key, here.get(text), there.get(text));
      }
      journal.verifications.addKeysCompared(keys.length);
    });
    work.notify();
  }

  async #readDestination(
    destination: Namespace,
    documentKeys: readonly Buffer[],
  ): Promise<Map<string, Held>> {
    const { pusher, signal } = this.#context;
    const there = new Map<string, Held>();
    const add = ({ documents }: KeyDigestReply): void => {
      for (const { key, hash } of documents) note(there, asBuffer(key), asBuffer(hash));
    };
    const named = documentKeys.filter(isExact);
    for (const keys of cutBySize(named, KEY_BYTES_AT_ONCE)) {
      add(await pusher.keyDigests({ ...destination, keys }, signal));
    }
    if (named.length === documentKeys.length) return there;
    // Keys that no command can name cost a walk through the collection, as at the source.
    let cursor: string | null = null;
    do {
      const walk = { ...destination, cursor, limit: WALK_BATCH, expect: null };
      const reply = await pusher.digest(walk, signal);
      add({ documents: reply.documents.filter(({ key }) => !isExact(asBuffer(key))) });
      ({ cursor } = reply);
    } while (cursor !== null);
    return there;
  }

  #decide(
    { id, collated }: Incarnation,
    key: KeyToVerify,
    here: Held | undefined,
    there: Held | undefined,
  ): void {
    const { journal, gate } = this.#context;
    const isEqual = here === undefined ? there === undefined : there?.digest.equals(here.digest);
    if (isEqual === true) {
      if (key.differed > 0) journal.verifications.addRepaired(id);
      journal.keysToVerify.remove(id, key);
      return;
    }
    if (key.differed === 0) journal.verifications.addFound(id);
    journal.keysToVerify.setDiffered(id, key, key.differed + 1);
    if (key.differed + 1 >= DIFFERED_AT_MOST) return;
    // What is right is read back from the source. Where the bytes of the key differ, both are named, so
    // that the one is deleted before the other is inserted (rule D15).
    const { time } = gate.position;
    for (const documentKey of [there?.key, here?.key ?? key.documentKey]) {
      if (documentKey === undefined) continue;
      journal.dirty.mark({ incarnation: id, collated, documentKey, operation: 'write', time });
    }
  }

  /** Costs of reading by key differ by orders of magnitude between servers: follow them. */
  #adapt(milliseconds: number): void {
    if (milliseconds < QUICK_MS) this.#keysAtOnce = Math.min(MOST_KEYS, this.#keysAtOnce * 2);
    if (milliseconds > SLOW_MS) {
      this.#keysAtOnce = Math.max(FEWEST_KEYS, Math.floor(this.#keysAtOnce / 2));
    }
  }
}

/** Under a collation other keys than those asked for may be found: they are nobody's here. */
function note(side: Map<string, Held>, key: Buffer, digest: Buffer): void {
  side.set(comparableKey(key).toString('latin1'), { key, digest });
}
