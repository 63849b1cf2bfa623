import { setTimeout as delay } from 'node:timers/promises';
import type { FastifyPluginAsync } from 'fastify';
import { LINKSPAN_V1 } from '@linkspan/contract/api/versions.ts';
import { answerOtherMethods } from './methods.ts';

/** For load balancers: whether this node is to be sent requests. */
export const READY_PATH = `${LINKSPAN_V1}/ready`;
/** For supervisors: whether this process answers at all. */
export const LIVE_PATH = `${LINKSPAN_V1}/live`;

/** How long the store may take to answer, in milliseconds. */
const STORE_MS = 2000;

export interface Health {
  /** True from the moment at which the server is told to stop. */
  readonly isDraining: () => boolean;
  /** Asks the store; rejects if it does not answer. */
  readonly askStore: () => Promise<unknown>;
}

/** Both paths, for everybody: they tell nothing else. */
export function healthPlugin({ isDraining, askStore }: Health): FastifyPluginAsync {
  const unready = async (): Promise<string | null> => {
    if (isDraining()) return 'DRAINING';
    const late = new AbortController();
    const answered = await Promise.race([
      askStore().then(
        () => true,
        () => false,
      ),
      delay(STORE_MS, false, { signal: late.signal }).catch(() => false),
    ]);
    late.abort();
    return answered ? null : 'STORE_UNAVAILABLE';
  };
  return async (app) => {
    app.route({
      method: ['GET', 'HEAD'],
      url: READY_PATH,
      handler: async (_request, reply) => {
        const reason = await unready();
        reply.header('cache-control', 'no-store');
        if (reason === null) return { ready: true };
        return reply.code(503).send({ ready: false, reason });
      },
    });
    app.route({
      method: ['GET', 'HEAD'],
      url: LIVE_PATH,
      handler: async (_request, reply) => {
        reply.header('cache-control', 'no-store');
        return { live: true };
      },
    });
    for (const path of [READY_PATH, LIVE_PATH]) {
      answerOtherMethods(app, path, new Set(['GET', 'HEAD', 'OPTIONS']));
    }
  };
}
