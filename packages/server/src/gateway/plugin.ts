import { Inventory, RegisterHost, Unlink } from '@linkspan/contract/push/host.ts';
import { Progress } from '@linkspan/contract/push/progress.ts';
import {
  Complete,
  CutoverFailed,
  Fail,
  MigrationStatus,
  OpenSession,
} from '@linkspan/contract/push/session.ts';
import { ValidationReport } from '@linkspan/contract/push/validation.ts';
import { WorkRequest } from '@linkspan/contract/push/work.ts';
import {
  MAX_BODY_BYTES,
  SESSION_HEADER,
  SPOKEN_PUSH_VERSIONS,
  VERSION_HEADER,
} from '@linkspan/contract/push/version.ts';
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';

import type { LinkRow } from '../store/schema.ts';
import {
  authenticateHost,
  authenticateToken,
  type HostPrincipal,
  type TokenPrincipal,
} from './authenticate.ts';
import { openBody, watchArrival } from './body.ts';
import type { Asker } from './byteBudget.ts';
import { callerOf, type Caller } from './caller.ts';
import {
  claimSession,
  claimSubLease,
  heldSession,
  sessionOfOther,
  type SessionClaim,
  type SubLeaseClaim,
} from './claims.ts';
import type { GatewayContext } from './context.ts';
import { readDigest, readKeyDigests } from './digest.ts';
import { pushDocuments } from './documents.ts';
import { PushError, answerPushError } from './errors.ts';
import { overSignal } from './inbound.ts';
import { reportInventory } from './inventory.ts';
import { readJson } from './messages.ts';
import { openSession } from './openSession.ts';
import { exchangeRanges, reportRange, takeRange } from './ranges.ts';
import { registerHost } from './registration.ts';
import {
  complete,
  cutoverFailed,
  fail,
  migrationStatus,
  reportPaused,
  reportProgress,
  reportWaiting,
  type Reporter,
} from './reports.ts';
import type { PushSession } from './session.ts';
import { changeStructure, changeStructures, listDestination } from './structure.ts';
import { unlinkHost } from './unlink.ts';
import { probeLink, reportValidation } from './validations.ts';
import { pollWork } from './work.ts';

const BSON = 'application/bson';

/**
 * The routes of the push protocol. For each request: authenticate, then the protocol's version, then
 * room for the body, then the body (invariant I6).
 */
export function createPlugin(context: GatewayContext, stop: () => void): FastifyPluginAsync {
  const { inbound, log, budget, sessions, forwarding, stopping } = context;
  const hosts = new WeakMap<FastifyRequest, HostPrincipal>();
  const tokens = new WeakMap<FastifyRequest, TokenPrincipal>();
  const arrivals = new WeakMap<FastifyRequest, () => void>();
  /** Whose requests they are, and until when anybody waits for their answers. */
  const askers = new WeakMap<FastifyRequest, Required<Asker>>();

  const greet = (request: FastifyRequest, reply: FastifyReply, { id }: LinkRow): void => {
    const version = Number(request.headers[VERSION_HEADER]);
    if (!SPOKEN_PUSH_VERSIONS.includes(version)) {
      throw new PushError(
        'PUSH_VERSION_UNSUPPORTED',
        `This server speaks the versions ${SPOKEN_PUSH_VERSIONS.join(', ')} of the push protocol, not ${String(request.headers[VERSION_HEADER] ?? 'an unnamed one')}. Upgrade the server first, then the agents.`,
      );
    }
    askers.set(request, { name: id, signal: overSignal(reply) });
  };
  const asker = (request: FastifyRequest): Required<Asker> =>
    askers.get(request) as Required<Asker>;
  const admit = async (request: FastifyRequest): Promise<void> => {
    await inbound.admit(request, asker(request));
    arrivals.set(request, watchArrival(request));
  };
  const callers = new WeakMap<FastifyRequest, Caller>();
  const credentials = (request: FastifyRequest) => {
    const caller = callerOf(context, request);
    callers.set(request, caller);
    return { authorization: request.headers.authorization, remoteAddress: caller.address };
  };
  const greetHost = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    const known = await authenticateHost(context, credentials(request));
    hosts.set(request, known);
    greet(request, reply, known.link);
  };
  const asHost = {
    onRequest: async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
      await greetHost(request, reply);
      await admit(request);
    },
  };
  /** For what only the node can answer that holds the session: another one hands it on. */
  const asHolder = {
    onRequest: async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
      await greetHost(request, reply);
      const id = idOf(request);
      if (sessions.get(id) === undefined) {
        const { remoteAddress: address } = principal(request);
        const isCertified = callers.get(request)?.isCertified === true;
        const caller = { address, isCertified };
        await forwarding.toHolder(request, reply, id, caller, asker(request));
      }
      if (!reply.sent) await admit(request);
    },
  };
  const asToken = {
    onRequest: async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
      const known = await authenticateToken(context, credentials(request));
      tokens.set(request, known);
      greet(request, reply, known.link);
      await admit(request);
    },
  };
  const principal = (request: FastifyRequest): HostPrincipal => hosts.get(request) as HostPrincipal;
  const idOf = (request: FastifyRequest): string => (request.params as { id: string }).id;
  const claim = (request: FastifyRequest): Promise<SessionClaim> =>
    claimSession(context, principal(request), idOf(request), request.headers[SESSION_HEADER]);
  const reporter = async (request: FastifyRequest): Promise<Reporter> => ({
    principal: principal(request),
    claim: await claim(request),
  });
  const held = async (request: FastifyRequest): Promise<PushSession> =>
    heldSession(context, await claim(request));
  const withBodyOf = async <T>(
    request: FastifyRequest,
    work: (body: Buffer) => Promise<T>,
  ): Promise<T> => {
    using body = await openBody(request, budget, asker(request));
    inbound.release(request);
    return await work(body.bytes);
  };
  const withBody = async <T>(
    request: FastifyRequest,
    work: (session: PushSession, body: Buffer) => Promise<T>,
  ): Promise<T> => {
    const session = await held(request);
    return await withBodyOf(request, (body) => work(session, body));
  };
  const withSubLease = async <T>(
    request: FastifyRequest,
    work: (claimed: SubLeaseClaim, body: Buffer) => Promise<T>,
  ): Promise<T> => {
    const claimed = claimSubLease(
      context,
      principal(request),
      idOf(request),
      request.headers[SESSION_HEADER],
    );
    return await withBodyOf(request, (body) => work(claimed, body));
  };

  return async (app) => {
    app.removeAllContentTypeParsers();
    app.addContentTypeParser(
      '*',
      { parseAs: 'buffer', bodyLimit: MAX_BODY_BYTES },
      (_request, body, done) => done(null, body),
    );
    app.setErrorHandler((error, _request, reply) => answerPushError(error, reply, log));
    app.addHook('preValidation', async (request) => arrivals.get(request)?.());
    // Requests that wait would keep the server from closing.
    app.addHook('preClose', async () => stop());

    app.post('/hosts', asToken, async (request) => {
      const token = tokens.get(request) as TokenPrincipal;
      return registerHost(context, token, readJson(RegisterHost, request.body));
    });
    app.post('/inventory', asHost, async (request, reply) => {
      await reportInventory(context, principal(request), readJson(Inventory, request.body));
      return reply.code(204).send();
    });
    app.post('/unlink', asHost, async (request, reply) => {
      readJson(Unlink, request.body);
      await unlinkHost(context, principal(request));
      return reply.code(204).send();
    });
    app.post('/work', asHost, async (request) => {
      const message = readJson(WorkRequest, request.body);
      const version = Number(request.headers[VERSION_HEADER]);
      return pollWork(context, principal(request), message, version, asker(request).signal);
    });
    app.post('/validations/:id/report', asHost, async (request, reply) => {
      const report = readJson(ValidationReport, request.body);
      await reportValidation(context, principal(request), idOf(request), report);
      return reply.code(204).send();
    });
    app.post('/validations/:id/probe', asHost, async (request, reply) => {
      await probeLink(context, principal(request), idOf(request), request.body);
      return reply.code(204).send();
    });
    app.post('/migrations/:id/sessions', asHost, async (request) => {
      const message = readJson(OpenSession, request.body);
      return openSession(context, principal(request), idOf(request), message);
    });
    app.post('/migrations/:id/status', asHost, async (request) => {
      const message = readJson(MigrationStatus, request.body);
      return migrationStatus(context, principal(request), idOf(request), message);
    });
    app.post('/migrations/:id/paused', asHost, async (request, reply) => {
      const progress = readJson(Progress, request.body);
      await reportPaused(context, principal(request), idOf(request), progress);
      return reply.code(204).send();
    });
    app.post('/migrations/:id/waiting', asHost, async (request, reply) => {
      const progress = readJson(Progress, request.body);
      await reportWaiting(context, principal(request), idOf(request), progress);
      return reply.code(204).send();
    });
    app.post('/sessions/:id/documents', asHolder, (request) => withBody(request, pushDocuments));
    app.post('/sessions/:id/structure', asHolder, (request) => withBody(request, changeStructure));
    app.post('/sessions/:id/structures', asHolder, (request) =>
      withBody(request, changeStructures),
    );
    app.post('/sessions/:id/digest', asHolder, async (request, reply) =>
      reply.type(BSON).send(await withBody(request, readDigest)),
    );
    app.post('/sessions/:id/keyDigests', asHolder, async (request, reply) =>
      reply.type(BSON).send(await withBody(request, readKeyDigests)),
    );
    app.post('/sessions/:id/listing', asHolder, async (request, reply) => {
      const listing = await withBody(request, listDestination);
      return reply.type(BSON).send(Buffer.from(listing));
    });
    app.post('/sessions/:id/ranges', asHolder, async (request, reply) => {
      const answer = await withBody(request, (session, body) =>
        exchangeRanges(context, session, body),
      );
      return reply.type(BSON).send(Buffer.from(answer));
    });
    app.post('/sessions/:id/subLeases', asHolder, async (request, reply) => {
      const session = sessionOfOther(context, principal(request), idOf(request));
      const answer = await takeRange(context, principal(request), session);
      return reply.type(BSON).send(Buffer.from(answer));
    });
    app.post('/sessions/:id/subLeases/report', asHolder, async (request, reply) => {
      const answer = await withSubLease(request, reportRange);
      return reply.type(BSON).send(Buffer.from(answer));
    });
    app.post('/sessions/:id/subLeases/documents', asHolder, (request) =>
      withSubLease(request, ({ session, lease }, body) => pushDocuments(session, body, lease)),
    );
    app.post('/sessions/:id/report', asHost, async (request, reply) => {
      const progress = readJson(Progress, request.body);
      await reportProgress(context, await reporter(request), progress);
      return reply.code(204).send();
    });
    app.post('/sessions/:id/complete', asHost, async (request, reply) => {
      await complete(context, await reporter(request), readJson(Complete, request.body));
      return reply.code(204).send();
    });
    app.post('/sessions/:id/cutoverFailed', asHost, async (request, reply) => {
      const message = readJson(CutoverFailed, request.body);
      await cutoverFailed(context, await reporter(request), message);
      return reply.code(204).send();
    });
    app.post('/sessions/:id/fail', asHost, async (request, reply) => {
      await fail(context, await reporter(request), readJson(Fail, request.body));
      return reply.code(204).send();
    });
    app.post('/sessions/:id/close', asHolder, async (request, reply) => {
      const { sessionId } = await claim(request);
      const session = sessions.get(sessionId);
      if (session !== undefined) {
        const closed = new PushError('SESSION_UNKNOWN', 'The push session was closed.');
        await sessions.retire(session, closed, stopping);
      }
      return reply.code(204).send();
    });
  };
}
