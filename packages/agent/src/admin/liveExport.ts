import { apiError, linkNotFound } from '@linkspan/contract/serving/apiError.ts';
import Type, { type Static, type TSchema } from 'typebox';

import type { AdminConfig } from '../config/admin.ts';
import { AlreadyLinkedError } from '../link/errors.ts';
import type { HostLink } from '../link/hostLink.ts';

/** Body of createMigrationLink of the live-export API. */
const CreateMigrationLink = Type.Object(
  { linkToken: Type.String({ minLength: 1 }) },
  { additionalProperties: false },
);

/** What the operations work with. */
export interface LiveExport {
  readonly admin: AdminConfig;
  readonly hostname: string;
  readonly link: Pick<HostLink, 'link' | 'unlink' | 'isSynced'>;
}

export interface MigrationLinkStatus {
  readonly status: 'SYNCED' | 'NOT_SYNCED';
}

/** One operation of the live-export API, below `/api/public/v1.0/orgs/{orgId}/liveExport`. */
export interface Operation {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  /** Absent: a body that comes is not read. */
  readonly body?: TSchema;
  readonly handle: (
    body: unknown,
  ) => Promise<{ readonly status: number; readonly body?: MigrationLinkStatus }>;
}

/** The three operations that Ops Manager and Cloud Manager have (documented). */
export function liveExportOperations({ admin, hostname, link }: LiveExport): readonly Operation[] {
  return [
    {
      method: 'POST',
      path: '/migrationLink',
      body: CreateMigrationLink,
      async handle(body) {
        const { linkToken } = body as Static<typeof CreateMigrationLink>;
        try {
          await link.link(linkToken);
        } catch (error) {
          if (!(error instanceof AlreadyLinkedError)) throw error;
          throw apiError('MIGRATION_HOST_ALREADY_LINKED', hostname, admin.orgId);
        }
        return { status: 200, body: { status: 'SYNCED' } };
      },
    },
    {
      method: 'DELETE',
      path: '/migrationLink',
      async handle() {
        if (!(await link.unlink())) throw linkNotFound();
        return { status: 204 };
      },
    },
    {
      method: 'GET',
      path: '/migrationLink/status',
      async handle() {
        return { status: 200, body: { status: link.isSynced ? 'SYNCED' : 'NOT_SYNCED' } };
      },
    },
  ];
}
