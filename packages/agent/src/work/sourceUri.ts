import type { Source } from '@linkspan/contract/push/messages.ts';
import { ConnectionString } from 'mongodb-connection-string-url';

import type { ConfiguredProject } from '../config/config.ts';

/**
 * The connection string of the source that a piece of work names, with the credentials and TLS
 * settings of the request where it brings its own. A secret.
 * @throws {UnknownSourceError}
 */
export function sourceUri(projects: readonly ConfiguredProject[], source: Source): string {
  const project = projects.find(({ id }) => id === source.projectId);
  const deployment = project?.deployments.find(({ name }) => name === source.clusterName);
  if (deployment === undefined) throw new UnknownSourceError(source, project !== undefined);
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
