import { MongoServerError } from 'mongodb';
import type { Finding, ValidationReport } from '@linkspan/contract/push/messages.ts';
import { formatNamespace } from '@linkspan/contract/push/namespaces.ts';
import { NO_TIME } from '../journal/clusterTime.ts';
import { openChangeStream } from './changeStream.ts';
import {
  type SourceConnection,
  SourceUnreachableError,
  connectSource,
  describeMongoError,
  hostsOf,
} from './connection.ts';
import { describeSource } from './identity.ts';
import { type ListedNamespace, listSource } from './listing.ts';
import { measureCollection } from './statistics.ts';

const UNAUTHORIZED = 13;

/**
 * Checks the source side of a live migration. Never rejects for what is wrong with the source: that
 * is what the findings are for. Where Atlas has a text for a finding, the message begins with it.
 */
export async function validateSource(uri: string, signal: AbortSignal): Promise<ValidationReport> {
  try {
    await using source = await connectSource(uri);
    signal.throwIfAborted();
    return await inspect(source, uri);
  } catch (error) {
    signal.throwIfAborted();
    return { findings: [unreachable(error, uri)], namespaces: [], dataBytes: 0 };
  }
}

async function inspect(source: SourceConnection, uri: string): Promise<ValidationReport> {
  const facts = await describeSource(source);
  const findings: Finding[] = [];
  if (facts.topology === 'standalone') {
    findings.push(
      fault(
        'SOURCE_STANDALONE',
        `Source appears to be a standalone: ${hostsOf(uri)} has no oplog. Make it a replica set of one member.`,
      ),
    );
    return { findings, namespaces: [], dataBytes: 0 };
  }
  if (facts.topology === 'sharded') {
    findings.push(
      fault(
        'SOURCE_SHARDED',
        `${hostsOf(uri)} is a sharded cluster, which is not migrated yet. Give the URI of a replica set.`,
      ),
    );
  }
  if (!facts.majorityJournaled) {
    findings.push(
      fault(
        'SOURCE_MAJORITY_NOT_JOURNALED',
        'The source acknowledges majority writes before they are on disk (writeConcernMajorityJournalDefault is false), so it may lose what was already copied. Set it to true.',
      ),
    );
  }
  findings.push(...(await checkChangeStream(source)));
  const listed = await listNamespaces(source, findings);
  findings.push(...listed.flatMap(findingsOf));
  findings.push({
    code: 'USERS_AND_ROLES_STAY',
    severity: 'warning',
    message: 'Users and roles of the source are not migrated: create them at the destination.',
  });
  let dataBytes = 0;
  for (const { namespace, type } of listed) {
    if (type === 'collection') dataBytes += (await measureCollection(source, namespace)).bytes;
  }
  return { findings, namespaces: listed.map(({ namespace }) => ({ ...namespace })), dataBytes };
}

async function checkChangeStream(source: SourceConnection): Promise<Finding[]> {
  try {
    const stream = await openChangeStream(source, { at: 'now' });
    await stream[Symbol.asyncDispose]();
    return [];
  } catch (error) {
    const code =
      error instanceof MongoServerError && error.code === UNAUTHORIZED
        ? 'SOURCE_NOT_AUTHORIZED'
        : 'CHANGE_STREAM_UNAVAILABLE';
    return [
      fault(
        code,
        `User not authorized to execute command, or change streams are not available: opening a change stream over the whole deployment failed with "${messageOf(error)}". The user needs the role readAnyDatabase.`,
      ),
    ];
  }
}

async function listNamespaces(
  source: SourceConnection,
  findings: Finding[],
): Promise<readonly ListedNamespace[]> {
  try {
    return (await listSource(source, NO_TIME)).namespaces;
  } catch (error) {
    findings.push(
      fault(
        'SOURCE_NOT_AUTHORIZED',
        `User not authorized to execute command: listing databases, collections and indexes failed with "${messageOf(error)}". The user needs the role readAnyDatabase.`,
      ),
    );
    return [];
  }
}

function findingsOf({ namespace, unsupported, options }: ListedNamespace): Finding[] {
  if (unsupported === null) return [];
  const name = formatNamespace(namespace);
  if (options['timeseries'] !== undefined) {
    return [
      fault(
        'TIME_SERIES_COLLECTION',
        `Source cluster contains a time series collection, which is unsupported: ${name}.`,
      ),
    ];
  }
  return [fault('INDEX_UNSUPPORTED', `${name}: ${unsupported}. Drop or change it first.`)];
}

function unreachable(error: unknown, uri: string): Finding {
  const message =
    error instanceof SourceUnreachableError ? error.message : describeMongoError(error, uri);
  if (/ENOTFOUND|EAI_AGAIN|querySrv/.test(message)) {
    return fault('SOURCE_HOST_NOT_FOUND', `Could not resolve hostname: ${message}`);
  }
  if (/Authentication failed|auth.*failed|not authenticated/i.test(message)) {
    return fault(
      'SOURCE_AUTHENTICATION_FAILED',
      `The username or password is not correct: ${message}`,
    );
  }
  if (/certificate|SSL|TLS/i.test(message)) {
    return fault('SOURCE_TLS_FAILED', `Invalid SSL options provided: ${message}`);
  }
  return fault('SOURCE_UNREACHABLE', `Could not reach specified source: ${message}`);
}

function fault(code: string, message: string): Finding {
  return { code, severity: 'error', message };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
