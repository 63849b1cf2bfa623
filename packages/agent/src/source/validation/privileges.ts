import { finding } from '@linkspan/contract/api/findings.ts';
import { formatNamespace } from '@linkspan/contract/push/namespaces.ts';
import { openTransactions } from '../reader.ts';
import { type Check, isUnauthorized, messageOf } from './check.ts';

/** Collections that are tried: privileges are given for databases, not for documents. */
const TRIED = 200;
const NAMED = 10;

/** That this user may read what is listed: one document of a collection of each database is asked for. */
export const checkReads: Check = async ({ source, listed }) => {
  const refused: string[] = [];
  const plain = listed.filter(({ type, unsupported }) => type === 'collection' && !unsupported);
  const perDatabase = new Map(plain.map(({ namespace }) => [namespace.db, namespace]));
  for (const namespace of [...perDatabase.values()].slice(0, TRIED)) {
    try {
      await source.client
        .db(namespace.db)
        .command({ find: namespace.coll, limit: 1, singleBatch: true, projection: { _id: 1 } });
    } catch (error) {
      if (!isUnauthorized(error)) throw error;
      refused.push(`${formatNamespace(namespace)} ("${messageOf(error)}")`);
    }
  }
  if (refused.length === 0) return [];
  const more = refused.length > NAMED ? ` and ${refused.length - NAMED} more` : '';
  return [
    finding('SOURCE_NOT_AUTHORIZED', `reading ${refused.slice(0, NAMED).join(', ')}${more}.`),
  ];
};

/** D21: whether a cutover can see that a transaction is open. */
export const checkTransactions: Check = async ({ source }) =>
  (await openTransactions(source)) === null
    ? [finding('TRANSACTIONS_NOT_TOLD', 'serverStatus does not show transactions.currentOpen.')]
    : [];
