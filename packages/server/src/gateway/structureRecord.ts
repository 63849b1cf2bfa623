import * as pushSessions from '../store/pushSessions.ts';
import type { Store } from '../store/store.ts';
import { PushError } from './errors.ts';

/**
 * Keeps in the store whether a session has a command under way that changes structure. Such a command
 * carries no number, so the fence alone is no proof while there may be one (rules C2, D14).
 */
export class StructureRecord {
  readonly #store: Pick<Store, 'db' | 'dialect'>;
  readonly #sessionId: string;
  #underWay = 0;
  /** What the store keeps; null where it did not say whether it has taken the last statement. */
  #recorded: boolean | null = false;
  /** The record may be taken away at any time, by a statement that was sent and not answered. */
  #isLost = false;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(store: Pick<Store, 'db' | 'dialect'>, sessionId: string) {
    this.#store = store;
    this.#sessionId = sessionId;
  }

  /**
   * Sends once it is recorded. What the store keeps is true too long rather than too short.
   * @param isAnswered false once a command was sent that was never answered: the record stays
   * @throws {PushError} SESSION_UNKNOWN if it cannot be recorded through this session any more
   */
  async around<T>(send: () => Promise<T>, isAnswered: () => boolean): Promise<T> {
    this.#underWay += 1;
    try {
      await this.#record();
    } catch (error) {
      this.#underWay -= 1;
      throw error;
    }
    try {
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
      if (isUnderWay && this.#isLost) throw unrecorded('the store did not answer');
      if (isUnderWay === this.#recorded) return;
      this.#recorded = null;
      if (isUnderWay) await this.#begin();
      else await this.#end();
      this.#recorded = isUnderWay;
    });
    this.#turn = recorded.catch(() => undefined);
    return recorded;
  }

  async #begin(): Promise<void> {
    const { db, dialect } = this.#store;
    if (await pushSessions.beginStructure(db, dialect, this.#sessionId)) return;
    throw unrecorded('its lease is over');
  }

  async #end(): Promise<void> {
    try {
      await pushSessions.endStructure(this.#store.db, this.#sessionId);
    } catch (error) {
      this.#isLost = true;
      throw error;
    }
  }
}

function unrecorded(why: string): PushError {
  return new PushError(
    'SESSION_UNKNOWN',
    `The push session cannot record what it changes (${why}): open a new one.`,
  );
}
