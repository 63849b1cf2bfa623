import type { Source } from '@linkspan/contract/push/work.ts';
import { ConnectionString } from 'mongodb-connection-string-url';

import type { ConfiguredDeployment, ConfiguredProject } from '../config/config.ts';

/** The deployment of agent.yaml that a piece of work, or a record of it, names. */
export function findDeployment(
  projects: readonly ConfiguredProject[],
  { projectId, clusterName }: Pick<Source, 'projectId' | 'clusterName'>,
): ConfiguredDeployment | undefined {
  const project = projects.find(({ id }) => id === projectId);
  return project?.deployments.find(({ name }) => name === clusterName);
}

/**
 * The connection string of the source that a piece of work names, with the credentials and TLS
 * settings of the request where it brings its own. A secret.
 * @throws {UnknownSourceError}
 */
export function sourceUri(projects: readonly ConfiguredProject[], source: Source): string {
  const deployment = findDeployment(projects, source);
  if (deployment === undefined) {
    const isProjectKnown = projects.some(({ id }) => id === source.projectId);
    throw new UnknownSourceError(source, isProjectKnown);
  }
  if (source.managedAuthentication) return deployment.uri;

  const uri = new ConnectionString(deployment.uri);
  // The setters leave `%` as it is and encode the rest too sparingly.
  uri.username = encodeURIComponent(source.username ?? '');
  uri.password = encodeURIComponent(source.password ?? '');
  if (source.ssl) {
    uri.searchParams.delete('ssl');
    uri.searchParams.set('tls', 'true');
    if (source.caCertificatePath !== null && source.caCertificatePath !== '') {
      uri.searchParams.set('tlsCAFile', source.caCertificatePath);
    }
  }
  return uri.href;
}

/** The configuration of this host does not have the source that work names. */
export class UnknownSourceError extends Error {
  override readonly name = 'UnknownSourceError';

  constructor({ projectId, clusterName }: Source, projectKnown: boolean) {
    super(
      projectKnown
        ? `the project ${projectId} has no deployment "${clusterName}" in the configuration of this migration host`
        : `the project ${projectId} is not in the configuration of this migration host`,
    );
  }
}
