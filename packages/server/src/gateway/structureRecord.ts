import * as pushSessions from '../store/pushSessions.ts';
import type { Store } from '../store/store.ts';

/**
 * Keeps in the store whether a session has a command under way that changes structure. Such a command
 * carries no number, so the fence alone is no proof while there may be one (rules C2, D14).
 */
export class StructureRecord {
  readonly #store: Store;
  readonly #sessionId: string;
  #underWay = 0;
  #isRecorded = false;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(store: Store, sessionId: string) {
    this.#store = store;
    this.#sessionId = sessionId;
  }

  /**
   * Sends once it is recorded. What the store keeps is true too long rather than too short.
   * @param isAnswered false once a command was sent that was never answered: the record stays
   */
  async around<T>(send: () => Promise<T>, isAnswered: () => boolean): Promise<T> {
    this.#underWay += 1;
    try {
      await this.#record();
      return await send();
    } finally {
      if (isAnswered()) {
        this.#underWay -= 1;
        await this.#record().catch(() => undefined);
      }
    }
  }

  /** One statement after the other, each with what is so by then. */
  #record(): Promise<void> {
    const recorded = this.#turn.then(async () => {
      const isUnderWay = this.#underWay > 0;
      if (isUnderWay === this.#isRecorded) return;
      await pushSessions.setStructureUnderWay(this.#store.db, this.#sessionId, isUnderWay);
      this.#isRecorded = isUnderWay;
    });
    this.#turn = recorded.catch(() => undefined);
    return recorded;
  }
}
