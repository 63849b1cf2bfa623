import fc from 'fast-check';
import { fileURLToPath } from 'node:url';
import { Signer } from './signer.ts';
import { ApiDocument, type DocumentedOperation } from './document.ts';
import { malformedRequests } from './malformed.ts';
import { Leaks, Oracle, type SentRequest } from './oracle.ts';
import { Pools } from './pools.ts';
import { type FuzzRequest, requestsOf } from './requests.ts';
import { fillTokens, token, type TokenName } from './tokens.ts';
import { exchange, type Exchange } from './wire.ts';
import { FuzzWorld } from './world.ts';

/** After so long without an answer the server hangs, however busy its machine is; in milliseconds. */
const DEADLINE_MS = 30_000;

/** Requests around one operation before the next one has its turn. */
const BATCH = 25;

export interface FuzzOptions {
  readonly seconds: number;
  readonly seed: number;
  /** Only operations whose id holds this. */
  readonly only?: string;
}

export interface Finding {
  /** Of the operation, or `HTTP`. */
  readonly where: string;
  readonly problem: string;
  /** The smallest request that shows it, as it went out. */
  readonly request: unknown;
  /** What came back, cut. */
  readonly answer: string;
  /** Repeats the batch: of fast-check. */
  readonly seed: number;
}

export interface FuzzSummary {
  readonly seed: number;
  readonly requests: number;
  readonly operations: number;
  readonly statuses: ReadonlyMap<number | 'closed', number>;
  /** Operations of which no request was answered with a success: what they were answered. */
  readonly neverSucceeded: ReadonlyMap<string, ReadonlyMap<string, number>>;
  readonly findings: readonly Finding[];
}

/** Starts a server and throws requests at it until the time is up. */
export async function fuzz(options: FuzzOptions): Promise<FuzzSummary> {
  await using world = await FuzzWorld.start();
  const document = await ApiDocument.read(world.url);
  const run = new FuzzRun(world, document, options);
  return await run.toItsEnd();
}

class FuzzRun {
  readonly #world: FuzzWorld;
  readonly #document: ApiDocument;
  readonly #options: FuzzOptions;
  readonly #signer: Signer;
  readonly #pools = new Pools();
  readonly #leaks: Leaks;
  readonly #oracle: Oracle;
  readonly #statuses = new Map<number | 'closed', number>();
  readonly #succeeded = new Set<string>();
  readonly #refusals = new Map<string, Map<string, number>>();
  readonly #findings = new Map<string, Finding>();
  #requests = 0;

  constructor(world: FuzzWorld, document: ApiDocument, options: FuzzOptions) {
    this.#world = world;
    this.#document = document;
    this.#options = options;
    this.#signer = new Signer(world.url);
    const root = fileURLToPath(new URL('../../../', import.meta.url)).replace(/\/$/, '');
    this.#leaks = new Leaks(world.secrets, [root, world.directory]);
    this.#oracle = new Oracle(document, this.#leaks);
  }

  async toItsEnd(): Promise<FuzzSummary> {
    const { seconds, seed, only } = this.#options;
    const until = performance.now() + seconds * 1000;
    const operations = this.#document.operations.filter(({ id }) => id.includes(only ?? ''));
    const before = await this.#world.stateOf(this.#world.victim);
    for (let round = 0; performance.now() < until; round += 1) {
      for (const [index, operation] of operations.entries()) {
        if (performance.now() >= until) break;
        await this.#aim(operation);
        await this.#batch(operation, seed + round * 1000 + index, until);
        await this.#checkServer(operation.id);
      }
      await this.#malformed(seed + round, until);
      await this.#checkServer('HTTP');
    }
    const after = await this.#world.stateOf(this.#world.victim);
    if (after !== before) {
      const lines = after.split('\n').filter((line) => !before.includes(line));
      this.#found('another organization', 'its state has changed', null, lines.join('\n'), seed);
    }
    return {
      seed,
      requests: this.#requests,
      operations: operations.length,
      statuses: this.#statuses,
      neverSucceeded: new Map(
        operations
          .filter(({ id }) => !this.#succeeded.has(id))
          .map(({ id }) => [id, this.#refusals.get(id) ?? new Map<string, number>()]),
      ),
      findings: [...this.#findings.values()],
    };
  }

  async #batch(operation: DocumentedOperation, seed: number, until: number): Promise<void> {
    const smallest: { sent: SentRequest | null; answer: string } = { sent: null, answer: '' };
    const property = fc.asyncProperty(requestsOf(this.#document, operation), async (request) => {
      const sent = this.#fill(request);
      const came = await this.#send(sent);
      this.#count(operation, sent, came);
      const problem = this.#oracle.judge(operation, sent, came);
      if (problem === null) return;
      smallest.sent = sent;
      smallest.answer = describe(came);
      throw new Error(problem);
    });
    const details = await fc.check(property, {
      seed,
      numRuns: BATCH,
      interruptAfterTimeLimit: Math.max(1, until + DEADLINE_MS - performance.now()),
    });
    if (details.failed && details.errorInstance instanceof Error) {
      const { message } = details.errorInstance;
      this.#found(operation.id, message, smallest.sent, smallest.answer, seed);
    }
  }

  async #malformed(seed: number, until: number): Promise<void> {
    for (const text of fc.sample(malformedRequests, { seed, numRuns: BATCH * 3 })) {
      if (performance.now() >= until) return;
      const came = await this.#exchange(Buffer.from(text, 'latin1'), true, false);
      this.#requests += 1;
      this.#tally(came.answers[0]?.status ?? 'closed');
      const problems = came.answers.map((answer) => this.#oracle.problemOfAnswer(answer, text));
      const problem =
        came.end === 'late'
          ? 'no end in time'
          : came.end === 'malformed'
            ? 'the answer is no HTTP'
            : (problems.find((one) => one !== null) ?? null);
      if (problem !== null) this.#found('HTTP', problem, text, describe(came), seed);
    }
  }

  /** Replaces the tokens, now that there is a server. */
  #fill(request: FuzzRequest): SentRequest {
    const { subject, victim } = this.#world;
    const used = new Set<TokenName>();
    const value = (name: TokenName): string => {
      used.add(name);
      if (name === 'victimOrgId') return victim.orgId;
      if (name === 'victimGroupId') return victim.groupId;
      return this.#pools.pick(name, subject.values.get(name));
    };
    const target = fillTokens(request.target, (name) => encodeURIComponent(value(name)));
    const owned = [token('orgId'), token('groupId')];
    const isForeign =
      used.has('victimOrgId') ||
      used.has('victimGroupId') ||
      (request.caller === 'stranger' && owned.some((name) => request.target.includes(name)));
    const { body } = request;
    return { ...request, target, body: body === null ? null : fillTokens(body, value), isForeign };
  }

  async #send(request: SentRequest): Promise<Exchange> {
    const { method, target, headers, body, isChunked } = request;
    const authorization = await this.#authorization(request);
    const payload = Buffer.from(body ?? '', 'latin1');
    const isSent = (name: string): boolean => headers.some(([other]) => other === name);
    const lines = [
      `${method} ${target} HTTP/1.1`,
      ...(isSent('Host') ? [] : ['Host: 127.0.0.1']),
      ...headers.map(([name, value]) => `${name}: ${value}`),
      ...(authorization === null || isSent('Authorization')
        ? []
        : [`Authorization: ${authorization}`]),
      ...(body === null
        ? []
        : [isChunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${payload.length}`]),
      'Connection: close',
    ];
    const framed = isChunked
      ? Buffer.concat([
          Buffer.from(payload.length === 0 ? '' : `${payload.length.toString(16)}\r\n`),
          payload,
          Buffer.from(payload.length === 0 ? '0\r\n\r\n' : '\r\n0\r\n\r\n'),
        ])
      : payload;
    const bytes = Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), framed]);
    return this.#exchange(bytes, !request.isWellFormed, method === 'HEAD');
  }

  /** OAuth has a way in of its own. */
  async #authorization({ caller, method, target, operationId }: SentRequest) {
    const { subject, stranger } = this.#world;
    if (caller === 'nobody') return null;
    if (operationId.endsWith('AccessToken')) {
      return basic(caller === 'stranger' ? stranger.client : subject.client);
    }
    const credential = { digest: subject.owner, bearer: subject.bearer, stranger: stranger.owner };
    return this.#signer.sign(credential[caller], method, target);
  }

  #exchange(bytes: Buffer, halfClose: boolean, isHead: boolean): Promise<Exchange> {
    const { host, port } = this.#world;
    return exchange({ host, port, bytes, halfClose, isHead, deadlineMs: DEADLINE_MS });
  }

  #count(operation: DocumentedOperation, { caller, isOperation }: SentRequest, came: Exchange) {
    const answer = came.answers[0];
    this.#requests += 1;
    this.#tally(answer?.status ?? 'closed');
    if (answer === undefined || !isOperation) return;
    if (answer.status >= 300) {
      const codes = this.#refusals.get(operation.id) ?? new Map<string, number>();
      const code = answer.headers.get('x-error-code') ?? String(answer.status);
      this.#refusals.set(operation.id, codes.set(code, (codes.get(code) ?? 0) + 1));
      return;
    }
    this.#succeeded.add(operation.id);
    if (caller !== 'digest' && caller !== 'bearer') return;
    try {
      this.#pools.learn(JSON.parse(answer.body.toString('utf8')));
    } catch {
      // No body to learn from.
    }
  }

  #tally(status: number | 'closed'): void {
    this.#statuses.set(status, (this.#statuses.get(status) ?? 0) + 1);
  }

  /** After each batch: whether the server still runs, and what it has logged. */
  async #checkServer(where: string): Promise<void> {
    const log = await this.#world.newLog();
    const { seed } = this.#options;
    const told = this.#leaks.problemOf(log, '');
    if (told === 'a secret is told') this.#found(where, 'a secret is logged', null, '', seed);
    const broken = log.split('\n').find((line) => /"level":(50|60)\b|Unhandled|Error: /.test(line));
    if (broken !== undefined) {
      this.#found(where, 'the server logs an error', null, broken.slice(0, 2000), seed);
    }
    if (!(await this.#world.isRunning)) throw new Error(`the server has ended:\n${log}`);
  }

  /** Whatever earlier requests have ended is there again. */
  async #aim({ id }: DocumentedOperation): Promise<void> {
    const { subject } = this.#world;
    await this.#world.renew(/LiveMigration/.test(id) && !/LinkToken/.test(id));
    if (this.#world.subject !== subject) this.#pools.clear();
  }

  #found(where: string, problem: string, request: unknown, answer: string, seed: number): void {
    const key = `${where} ${problem}`;
    if (!this.#findings.has(key)) {
      this.#findings.set(key, { where, problem, request, answer, seed });
    }
  }
}

function basic({ id, secret }: { readonly id: string; readonly secret: string }): string {
  return `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`;
}

function describe({ answers, end }: Exchange): string {
  const [answer] = answers;
  if (answer === undefined) return end;
  const headers = [...answer.headers].map(([name, value]) => `${name}: ${value}`);
  return [answer.status, ...headers, answer.body.toString('utf8').slice(0, 1500)].join('\n');
}
