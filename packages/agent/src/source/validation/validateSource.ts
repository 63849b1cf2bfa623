import { finding } from '@linkspan/contract/api/findings.ts';
import { Selection } from '@linkspan/contract/namespaces/selection.ts';
import type { Finding, ValidationReport } from '@linkspan/contract/push/validation.ts';
import { NO_TIME } from '../../journal/clusterTime.ts';
import { type SourceConnection, connectSource, hostsOf } from '../connection.ts';
import { describeSource } from '../identity.ts';
import { type ListedNamespace, listSource } from '../listing.ts';
import { checkAgentDisk } from './agentDisk.ts';
import { checkChangeStream } from './changeStream.ts';
import { type Check, type Validated, messageOf, runChecks } from './check.ts';
import { checkClock, clockOffset } from './clock.ts';
import { checkContents } from './contents.ts';
import { checkEncryption } from './encryption.ts';
import { documentBytesPerSecond, measureSource } from './estimate.ts';
import { checkNames } from './names.ts';
import { checkOplog } from './oplog.ts';
import { checkReads, checkTransactions } from './privileges.ts';
import { findUnreachable } from './reachability.ts';
import { sampleStructure } from './samples.ts';
import {
  checkQuerySettings,
  checkSearchIndexes,
  checkSystemCollections,
  checkUsersAndRoles,
} from './staysBehind.ts';
import { checkTopology } from './topology.ts';
import { checkWriteBlock } from './writeBlock.ts';

/** Each by the name that a failure of it is told by. */
const CHECKS: Readonly<Record<string, Check>> = {
  topology: checkTopology,
  'change stream': checkChangeStream,
  reads: checkReads,
  'what is there': checkContents,
  names: checkNames,
  'open transactions': checkTransactions,
  'write block': checkWriteBlock,
  'users and roles': checkUsersAndRoles,
  'search indexes': checkSearchIndexes,
  'query settings': checkQuerySettings,
  'system collections': checkSystemCollections,
  oplog: checkOplog,
  encryption: checkEncryption,
  clock: checkClock,
  'state directory': checkAgentDisk,
};

/**
 * Measures how many bytes a second go through the link.
 * @returns null where that cannot be told
 */
export type MeasureLink = () => Promise<number | null>;

/**
 * Checks the source side of a live migration, and writes nothing. Never rejects for what is wrong with
 * the source: that is what the findings are for.
 */
export async function validateSource(
  validated: Validated,
  measureLink: MeasureLink,
  signal: AbortSignal,
): Promise<ValidationReport> {
  try {
    await using source = await connectSource(validated.uri);
    signal.throwIfAborted();
    return await inspect(source, validated, measureLink);
  } catch (error) {
    signal.throwIfAborted();
    return failed(findUnreachable(error, validated.uri));
  }
}

/** The report of a validation that could not look at its source. */
export function failed(found: Finding): ValidationReport {
  return { findings: [found], namespaces: [], dataBytes: 0 };
}

async function inspect(
  source: SourceConnection,
  validated: Validated,
  measureLink: MeasureLink,
): Promise<ValidationReport> {
  const facts = await describeSource(source);
  if (facts.topology === 'standalone') {
    return failed(finding('SOURCE_STANDALONE', `${hostsOf(validated.uri)} has no oplog.`));
  }
  const listing = await list(source);
  const { listed: everything } = listing;
  const selection = new Selection(validated.namespaces);
  const listed = everything.filter(({ namespace }) => selection.selects(namespace));
  const { compression, bytes, ...size } = await measureSource(source, listed);
  const wireBytesPerSecond = await measureLink();
  const linkBytesPerSecond =
    wireBytesPerSecond === null || compression === null
      ? null
      : documentBytesPerSecond(compression, wireBytesPerSecond);
  const paces = [size.readBytesPerSecond, linkBytesPerSecond].filter((pace) => pace !== null);
  const copySeconds = paces.length === 0 ? null : Math.ceil(bytes / Math.min(...paces));
  const inspected = {
    ...validated,
    source,
    facts,
    listed,
    everything,
    dataBytes: bytes,
    copySeconds,
  };
  const found = await runChecks(CHECKS, inspected);
  return {
    findings: [...listing.findings, ...found].toSorted((a, b) => rank(a) - rank(b)).slice(0, 1000),
    namespaces: listed.map(({ namespace }) => ({ ...selection.destinationOf(namespace) })),
    dataBytes: bytes,
    ...sampleStructure(listed),
    source: {
      mongoDBVersion: facts.mongoDBVersion,
      featureCompatibilityVersion: facts.featureCompatibilityVersion,
      replicaSetId: facts.replicaSetId,
      processId: facts.processId,
      clockOffsetMs: await clockOffset(source).catch(() => null),
    },
    size: { ...size, linkBytesPerSecond, copySeconds },
  };
}

async function list(
  source: SourceConnection,
): Promise<{ listed: readonly ListedNamespace[]; findings: Finding[] }> {
  try {
    return { listed: (await listSource(source, NO_TIME)).namespaces, findings: [] };
  } catch (error) {
    const detail = `listing databases, collections and indexes failed with "${messageOf(error)}".`;
    return { listed: [], findings: [finding('SOURCE_NOT_AUTHORIZED', detail)] };
  }
}

const RANKS = { error: 0, warning: 1, information: 2 };

function rank({ severity }: Finding): number {
  return RANKS[severity];
}
