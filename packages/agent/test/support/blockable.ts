import { startAnsweringProxy } from '@linkspan/testkit/answeringProxy.ts';
import type { MongoDB } from '@linkspan/testkit/mongodb.ts';

/** A source of which a test sees whether its writes are blocked; no write is refused for that. */
export interface Blockable extends AsyncDisposable {
  readonly uri: string;
  isBlocked: boolean;
  /** How often it still refuses to lift. */
  refusals: number;
}

/** Stands before a source and answers for a `mongod` 6.0 what concerns its write block. */
export async function blockable(source: MongoDB): Promise<Blockable> {
  const { port, search } = new URL(source.uri);
  const proxy = await startAnsweringProxy(Number(port), {
    serverStatus: () => ({ repl: { userWriteBlockMode: state.isBlocked ? 2 : 1 } }),
    setUserWriteBlockMode({ global }) {
      if (global !== true && state.refusals > 0) {
        state.refusals -= 1;
        return { ok: 0, code: 13, codeName: 'Unauthorized', errmsg: 'not authorized' };
      }
      state.isBlocked = global === true;
      return {};
    },
  });
  // Past what the set says of its members, which would lead around the proxy.
  const options = new URLSearchParams(search);
  options.delete('replicaSet');
  options.set('directConnection', 'true');
  const state = {
    uri: `mongodb://127.0.0.1:${proxy.port}/?${options.toString()}`,
    isBlocked: false,
    refusals: 0,
    [Symbol.asyncDispose]: () => proxy[Symbol.asyncDispose](),
  };
  return state;
}
