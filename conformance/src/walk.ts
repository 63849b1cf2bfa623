import {
  problemsOfChallenge,
  problemsOfPresentation,
  problemsOfRefusal,
  problemsOfSuccess,
} from './checks.ts';
import type { HttpAnswer } from './client.ts';
import { type Operation, type Served, servedVersions } from './contract.ts';
import { FIXTURES } from './fixtures/all.ts';
import type { Prepared, Situation } from './fixtures/fixture.ts';
import { refusalOf, type Role, ROLES, type Way, waysOf } from './roles.ts';
import { SetupError } from './setup.ts';
import type { World } from './world.ts';

/** One call of the table. */
export interface Cell {
  readonly role: Role;
  readonly way: Way;
  /** null: the call could not be made, and `problems` says why. */
  readonly status: number | null;
  /** Empty: as the contract has it. */
  readonly problems: readonly string[];
}

/** An operation in one version, called by everyone. */
export interface Row {
  readonly operationId: string;
  /** `v1.0`, or a date of v2. */
  readonly version: string;
  readonly cells: readonly Cell[];
}

/** Makes every call of an operation, one after the other. */
export async function walkOperation(world: World, operation: Operation): Promise<Row[]> {
  const rows: Row[] = [];
  for (const served of servedVersions(operation)) {
    const cells: Cell[] = [];
    for (const role of ROLES) {
      for (const way of waysOf(role)) cells.push(await walkCell(world, served, role, way));
    }
    rows.push({ operationId: operation.operationId, version: served.label, cells });
  }
  return rows;
}

/**
 * Makes one call of each version with `envelope=true` and `pretty=true`, where the operation has
 * these parameters, by an owner. @returns what is wrong with the answers
 */
export async function walkPresentation(world: World, operation: Operation): Promise<string[]> {
  const has = (name: string) => operation.parameters.some((parameter) => parameter.name === name);
  const asked = { envelope: has('envelope'), pretty: has('pretty') };
  const problems: string[] = [];
  for (const served of servedVersions(operation)) {
    const situation = { world, served, role: 'Org Owner', way: 'digest', succeeds: true } as const;
    const fixture = FIXTURES[operation.operationId];
    const prepared = (await fixture?.(situation)) ?? {};
    const query = Object.entries(asked).flatMap(([name, is]) => (is ? [`${name}=true`] : []));
    const answer = await call(situation, prepared, `?${query.join('&')}`);
    const found = problemsOfPresentation(served, answer, asked);
    if (found.length === 0) await prepared.after?.(answer);
    problems.push(...found.map((problem) => `${served.label}: ${problem}`));
  }
  return problems;
}

/** What is wrong in a row, each with the call that it is about. */
export function problemsOf(rows: readonly Row[]): string[] {
  return rows.flatMap(({ operationId, version, cells }) =>
    cells.flatMap(({ role, way, problems }) =>
      problems.map((problem) => `${operationId} ${version} as ${role} by ${way}: ${problem}`),
    ),
  );
}

async function walkCell(world: World, served: Served, role: Role, way: Way): Promise<Cell> {
  const { operation } = served;
  const refusal = refusalOf(operation, role);
  const situation = { world, served, role, way, succeeds: refusal === null };
  try {
    const fixture = FIXTURES[operation.operationId];
    if (fixture === undefined) throw new SetupError('there is no fixture for the operation');
    const prepared = await fixture(situation);
    const answer = await call(situation, prepared);
    if (isUnknownRoute(answer)) throw new SetupError('the server does not have the operation');
    const problems =
      role === 'None'
        ? problemsOfChallenge(answer)
        : refusal === null
          ? [...problemsOfSuccess(served, answer, prepared.expected), ...leaks(situation, answer)]
          : problemsOfRefusal(served, answer, refusal);
    if (refusal === null && problems.length === 0) await prepared.after?.(answer);
    return { role, way, status: answer.status, problems };
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    return { role, way, status: null, problems: [`could not be called: ${error.message}`] };
  }
}

function call(
  { world, served, role, way }: Situation,
  prepared: Prepared,
  query = '',
): Promise<HttpAnswer> {
  const { body } = prepared;
  const { orgId, groupId } = world;
  return world.client.send(prepared.credential ?? world.credential(role, way), {
    method: served.operation.method,
    path: pathOf(served.path, { orgId, groupId, ...prepared.params }) + query,
    headers: {
      accept: served.accept,
      ...(body === undefined ? {} : { 'content-type': served.accept }),
    },
    ...(body === undefined ? {} : { body }),
  });
}

/** Rule C9: who belongs elsewhere finds nothing of the organization, whatever it may call. */
function leaks({ role, world }: Situation, { text }: HttpAnswer): string[] {
  if (role !== 'Another organization') return [];
  const seen = [world.orgId, world.groupId].filter((id) => text.includes(id));
  return seen.map((id) => `another organization is shown ${id}`);
}

/** A resource that is not there is answered with a code or a path of its own. */
function isUnknownRoute({ status, headers, text }: HttpAnswer): boolean {
  const isUnknown = status === 404 && headers['x-error-code'] === 'RESOURCE_NOT_FOUND';
  return isUnknown && text.includes('Cannot find resource /api/');
}

function pathOf(template: string, params: Readonly<Record<string, string>>): string {
  return template.replaceAll(/\{(\w+)\}/g, (_whole, name: string) => {
    const value = params[name];
    if (value === undefined) throw new SetupError(`the fixture gives no ${name}`);
    return encodeURIComponent(value);
  });
}
