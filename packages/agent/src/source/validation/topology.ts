import { finding } from '@linkspan/contract/api/findings.ts';
import { FIRST_WITH_EXPANDED_EVENTS } from '../changeStream.ts';
import { hostsOf } from '../connection.ts';
import type { Check } from './check.ts';

/** D24 and D5: what kind of deployment it is, and what that means for what is read from it. */
export const checkTopology: Check = async ({ source, facts, uri }) => {
  const findings = [];
  if (facts.topology === 'sharded') findings.push(finding('SOURCE_SHARDED', `${hostsOf(uri)}.`));
  if (!facts.majorityJournaled) {
    findings.push(
      finding(
        'SOURCE_MAJORITY_NOT_JOURNALED',
        'writeConcernMajorityJournalDefault is false, so it may lose what was already copied.',
      ),
    );
  }
  const hello = await source.client.db('admin').command({ hello: 1 });
  const arbiters = (hello['arbiters'] ?? []) as string[];
  if (arbiters.length > 0) findings.push(finding('SOURCE_ARBITER', `${arbiters.join(', ')}.`));
  if (Number.parseInt(facts.mongoDBVersion, 10) < FIRST_WITH_EXPANDED_EVENTS) {
    findings.push(
      finding('SOURCE_WITHOUT_STRUCTURE_EVENTS', `it is MongoDB ${facts.mongoDBVersion}.`),
    );
  }
  return findings;
};
