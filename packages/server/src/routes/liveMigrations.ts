import {
  CreateLiveMigration20230101,
  CreateLiveMigration20240530,
} from '@linkspan/contract/api/liveMigrations.ts';
import { FIRST_VERSION, LIVE_MIGRATION_VERSION } from '@linkspan/contract/api/versions.ts';
import { type Endpoint, endpoint } from '../http/endpoint.ts';
import { RATE_LIMITS } from '../http/rateLimit.ts';
import type { OperationContext } from '../operations/context.ts';
import * as liveMigrations from '../operations/liveMigrations.ts';
import { dropEmptyAttributes, type MigrationRequest } from '../operations/migrationRequest.ts';
import * as validations from '../operations/validations.ts';

/** Both versions of the body of create and validate; the sunset is specified. */
const CREATE_VERSIONS = [
  { date: FIRST_VERSION, sunset: '2027-07-01', body: CreateLiveMigration20230101 },
  { date: LIVE_MIGRATION_VERSION, body: CreateLiveMigration20240530 },
] as const;

export function liveMigrationEndpoints(context: OperationContext): Endpoint[] {
  return [...atlasEndpoints(context), ...linkspanEndpoints(context)];
}

function atlasEndpoints(context: OperationContext): Endpoint[] {
  const group = { api: 'atlas', scope: 'group', limits: RATE_LIMITS.project } as const;
  const path = '/groups/:groupId/liveMigrations';
  return [
    {
      ...group,
      operationId: 'createGroupLiveMigration',
      method: 'POST',
      path,
      role: 'ORG_OWNER',
      versions: CREATE_VERSIONS,
      prepareBody: dropEmptyAttributes,
      handle: async ({ principal, params, body }) => ({
        status: 201,
        body: await liveMigrations.create(
          context,
          principal,
          params.groupId,
          body as MigrationRequest,
        ),
      }),
    },
    endpoint(
      {
        ...group,
        operationId: 'getGroupLiveMigration',
        method: 'GET',
        path: `${path}/:id`,
        role: 'ORG_MEMBER',
        handle: async ({ params }) => ({
          status: 200,
          body: await liveMigrations.get(context, params.groupId, params.id),
        }),
      },
      FIRST_VERSION,
    ),
    endpoint(
      {
        ...group,
        operationId: 'cutoverGroupLiveMigration',
        method: 'PUT',
        path: `${path}/:id/cutover`,
        role: 'ORG_OWNER',
        handle: async ({ principal, params }) => {
          await liveMigrations.cutOver(context, principal, params.groupId, params.id);
          return { status: 202, body: {} };
        },
      },
      FIRST_VERSION,
    ),
    {
      ...group,
      operationId: 'validateGroupLiveMigrations',
      method: 'POST',
      path: `${path}/validate`,
      role: 'ORG_OWNER',
      versions: CREATE_VERSIONS,
      prepareBody: dropEmptyAttributes,
      handle: async ({ principal, params, body }) => ({
        status: 200,
        body: await validations.create(
          context,
          principal,
          params.groupId,
          body as MigrationRequest,
        ),
      }),
    },
    endpoint(
      {
        ...group,
        operationId: 'getGroupLiveMigrationValidateStatus',
        method: 'GET',
        path: `${path}/validate/:id`,
        role: 'ORG_OWNER',
        handle: async ({ params }) => ({
          status: 200,
          body: await validations.get(context, params.groupId, params.id),
        }),
      },
      FIRST_VERSION,
    ),
  ];
}

function linkspanEndpoints(context: OperationContext): Endpoint[] {
  const group = { api: 'linkspan', scope: 'group', limits: RATE_LIMITS.project } as const;
  const path = '/groups/:groupId/liveMigrations';
  return [
    endpoint(
      {
        ...group,
        operationId: 'listLiveMigrations',
        method: 'GET',
        path,
        role: 'GROUP_READ_ONLY',
        handle: async ({ params }) => ({
          status: 200,
          items: await liveMigrations.list(context, params.groupId),
        }),
      },
      FIRST_VERSION,
    ),
    endpoint(
      {
        ...group,
        operationId: 'getLiveMigration',
        method: 'GET',
        path: `${path}/:id`,
        role: 'GROUP_READ_ONLY',
        handle: async ({ params }) => ({
          status: 200,
          body: await liveMigrations.detail(context, params.groupId, params.id),
        }),
      },
      FIRST_VERSION,
    ),
    endpoint(
      {
        ...group,
        operationId: 'getLiveMigrationValidation',
        method: 'GET',
        path: `${path}/validate/:id`,
        role: 'ORG_OWNER',
        handle: async ({ params }) => ({
          status: 200,
          body: await validations.detail(context, params.groupId, params.id),
        }),
      },
      FIRST_VERSION,
    ),
  ];
}
