import { Empty } from '@linkspan/contract/api/common.ts';
import {
  CreateLiveMigration20230101,
  CreateLiveMigration20240530,
  CreateLiveMigrationOwn,
  LiveMigration,
  LiveMigrationDetail,
  LiveMigrationValidation,
  LiveMigrationValidationDetail,
  UpdateLiveMigration,
  ValidateLiveMigrationOwn,
} from '@linkspan/contract/api/liveMigrations.ts';
import { FIRST_VERSION, LIVE_MIGRATION_VERSION } from '@linkspan/contract/api/versions.ts';
import { type Endpoint, listOperation, operation } from '../http/endpoint.ts';
import { RATE_LIMITS } from '../http/rateLimit.ts';
import type { OperationContext } from '../operations/context.ts';
import { update } from '../operations/liveMigrationSettings.ts';
import * as liveMigrations from '../operations/liveMigrations.ts';
import { dropEmptyAttributes } from '../operations/migrationRequest.ts';
import * as validations from '../operations/validations.ts';

/** Of the version that 2024-05-30 replaced (specified). */
const SUNSET = '2027-07-01';

const GROUP = { tag: 'Live migrations', scope: 'group', limits: RATE_LIMITS.project } as const;
const PATH = '/groups/{groupId}/liveMigrations';

/** Of create and of validate, which take the same body. */
function requestVersions<Response>(response: Response) {
  return [
    { date: FIRST_VERSION, sunset: SUNSET, body: CreateLiveMigration20230101, response },
    { date: LIVE_MIGRATION_VERSION, body: CreateLiveMigration20240530, response },
  ] as const;
}

export function liveMigrationEndpoints(context: OperationContext): Endpoint[] {
  return [...atlasEndpoints(context), ...linkspanEndpoints(context)];
}

function atlasEndpoints(context: OperationContext): Endpoint[] {
  const group = { ...GROUP, api: 'atlas' } as const;
  return [
    operation({
      ...group,
      operationId: 'createGroupLiveMigration',
      summary: 'Start a live migration',
      method: 'POST',
      path: PATH,
      role: 'ORG_OWNER',
      status: 201,
      versions: requestVersions(LiveMigration),
      prepareBody: dropEmptyAttributes,
      handle: async ({ principal, params, body }) => ({
        body: await liveMigrations.create(context, principal, params.groupId, body),
      }),
    }),
    operation({
      ...group,
      operationId: 'getGroupLiveMigration',
      summary: 'One live migration',
      method: 'GET',
      path: `${PATH}/{liveMigrationId}`,
      role: 'ORG_MEMBER',
      status: 200,
      versions: [{ date: FIRST_VERSION, response: LiveMigration }],
      handle: async ({ params }) => ({
        body: await liveMigrations.get(context, params.groupId, params.liveMigrationId),
      }),
    }),
    operation({
      ...group,
      operationId: 'cutoverGroupLiveMigration',
      summary: 'Cut a live migration over',
      method: 'PUT',
      path: `${PATH}/{liveMigrationId}/cutover`,
      role: 'ORG_OWNER',
      status: 202,
      versions: [{ date: FIRST_VERSION, response: Empty }],
      handle: async ({ principal, params }) => {
        await liveMigrations.cutOver(context, principal, params.groupId, params.liveMigrationId);
        return { body: {} };
      },
    }),
    operation({
      ...group,
      operationId: 'validateGroupLiveMigrations',
      summary: 'Check what a live migration would meet',
      method: 'POST',
      path: `${PATH}/validate`,
      role: 'ORG_OWNER',
      status: 200,
      versions: requestVersions(LiveMigrationValidation),
      prepareBody: dropEmptyAttributes,
      handle: async ({ principal, params, body }) => ({
        body: await validations.create(context, principal, params.groupId, body),
      }),
    }),
    operation({
      ...group,
      operationId: 'getGroupLiveMigrationValidateStatus',
      summary: 'One validation',
      method: 'GET',
      path: `${PATH}/validate/{validationId}`,
      role: 'ORG_OWNER',
      status: 200,
      versions: [{ date: FIRST_VERSION, response: LiveMigrationValidation }],
      handle: async ({ params }) => ({
        body: await validations.get(context, params.groupId, params.validationId),
      }),
    }),
  ];
}

function linkspanEndpoints(context: OperationContext): Endpoint[] {
  const group = { ...GROUP, api: 'linkspan' } as const;
  return [
    listOperation({
      ...group,
      operationId: 'listLiveMigrations',
      summary: 'Live migrations of a project, the newest first',
      method: 'GET',
      path: PATH,
      role: 'GROUP_READ_ONLY',
      status: 200,
      versions: [{ date: FIRST_VERSION, response: LiveMigrationDetail }],
      handle: async ({ params }) => ({
        items: await liveMigrations.list(context, params.groupId),
      }),
    }),
    operation({
      ...group,
      operationId: 'getLiveMigration',
      summary: 'One live migration, with its progress',
      method: 'GET',
      path: `${PATH}/{liveMigrationId}`,
      role: 'GROUP_READ_ONLY',
      status: 200,
      versions: [{ date: FIRST_VERSION, response: LiveMigrationDetail }],
      handle: async ({ params }) => ({
        body: await liveMigrations.detail(context, params.groupId, params.liveMigrationId),
      }),
    }),
    operation({
      ...group,
      operationId: 'createLiveMigration',
      summary: 'Start a live migration, with what Atlas has no field for',
      method: 'POST',
      path: PATH,
      role: 'ORG_OWNER',
      status: 201,
      versions: [
        { date: FIRST_VERSION, body: CreateLiveMigrationOwn, response: LiveMigrationDetail },
      ],
      prepareBody: dropEmptyAttributes,
      handle: async ({ principal, params: { groupId }, body }) => {
        const { _id } = await liveMigrations.create(context, principal, groupId, body, body);
        return { body: await liveMigrations.detail(context, groupId, _id) };
      },
    }),
    operation({
      ...group,
      operationId: 'validateLiveMigration',
      summary: 'Check what a live migration would meet, with what it is to move',
      method: 'POST',
      path: `${PATH}/validate`,
      role: 'ORG_OWNER',
      status: 200,
      versions: [
        {
          date: FIRST_VERSION,
          body: ValidateLiveMigrationOwn,
          response: LiveMigrationValidationDetail,
        },
      ],
      prepareBody: dropEmptyAttributes,
      handle: async ({ principal, params: { groupId }, body }) => {
        const { _id } = await validations.create(context, principal, groupId, body, body);
        return { body: await validations.detail(context, groupId, _id) };
      },
    }),
    operation({
      ...group,
      operationId: 'updateLiveMigration',
      summary: 'Change the throttle or the window of a live migration that runs',
      method: 'PATCH',
      path: `${PATH}/{liveMigrationId}`,
      role: 'ORG_OWNER',
      status: 200,
      versions: [{ date: FIRST_VERSION, body: UpdateLiveMigration, response: LiveMigrationDetail }],
      handle: async ({ principal, params: { groupId, liveMigrationId }, body }) => ({
        body: await update(context, principal, groupId, liveMigrationId, body),
      }),
    }),
    operation({
      ...group,
      operationId: 'cutoverLiveMigration',
      summary: 'Cut a live migration over, as in Atlas',
      method: 'POST',
      path: `${PATH}/{liveMigrationId}/cutover`,
      role: 'ORG_OWNER',
      status: 202,
      versions: [{ date: FIRST_VERSION, response: Empty }],
      handle: async ({ principal, params }) => {
        await liveMigrations.cutOver(context, principal, params.groupId, params.liveMigrationId);
        return { body: {} };
      },
    }),
    operation({
      ...group,
      operationId: 'getLiveMigrationValidation',
      summary: 'One validation, with each of its findings',
      method: 'GET',
      path: `${PATH}/validate/{validationId}`,
      role: 'ORG_OWNER',
      status: 200,
      versions: [{ date: FIRST_VERSION, response: LiveMigrationValidationDetail }],
      handle: async ({ params }) => ({
        body: await validations.detail(context, params.groupId, params.validationId),
      }),
    }),
  ];
}
