import { raiseFence, type FenceNumber } from './fence.ts';
import { quiesce, type QuiesceOptions } from './quiesce.ts';

/** What a push session may have left under way at its destination. */
export interface LeftBehind extends QuiesceOptions {
  /** Of its writes of documents, if each of them carries a number and the server enforces them. */
  readonly fence: FenceNumber | null;
  /** Whether a command that changes structure may be among it, which carries no number. */
  readonly hasStructure: boolean;
}

/**
 * Comes back once nothing that the session had sent can change the destination any more (rules C2, D14):
 * by the fence where that is enough and the cluster still enforces it, else because the server lists no connection of the session; or once
 * somebody else has proven it, so that nothing is sent on behalf of a proof that nobody needs any more.
 * @throws the signal's reason, when it aborts before that is proven
 */
export async function proveGone(left: LeftBehind, signal: AbortSignal): Promise<void> {
  const { uri, mayConnect, fence, hasStructure, isNeeded, onPending } = left;
  if (fence !== null) {
    const next = { ...fence, epoch: fence.epoch + 1 };
    const told = onPending === undefined ? {} : { onPending };
    const isRaised = await raiseFence({ uri, mayConnect, fence: next, isNeeded, ...told }, signal);
    if (isRaised && !hasStructure) return;
  }
  await quiesce(left, signal);
}
