import type { EventType } from '../domain/eventTypes.ts';
import * as events from './events.ts';
import type { Executor } from './executor.ts';
import * as projects from './projects.ts';
import type { LiveMigrationRow } from './schema.ts';

/**
 * Records an event of a live migration, in its project and the organization that has that.
 * @param actor null: the server itself
 */
export async function record(
  ex: Executor,
  { id, project_id: projectId }: LiveMigrationRow,
  type: EventType,
  actor: events.Actor,
  detail: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const project = await projects.find(ex, projectId);
  const orgId = project?.org_id ?? '';
  await events.record(ex, { type, orgId, projectId, actor, targetId: id, detail });
}
