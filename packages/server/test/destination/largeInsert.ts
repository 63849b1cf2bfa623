/** Run as a process by a test: sends one large insert and waits for the answer, until it is killed. */
import { BSON, MongoClient } from 'mongodb';

import { documentSequence } from '../../src/destination/documentSequence.ts';

const [, , uri = '', appName = '', count = '0'] = process.argv;
const documents = Array.from({ length: Number(count) }, (_, index) =>
  BSON.serialize({ _id: `z${index}`, pad: 'yy' }),
);
const client = new MongoClient(uri, { appName, serverMonitoringMode: 'poll', retryWrites: false });
await client.connect();
process.stdout.write('sending\n');
await client
  .db('q')
  .command({ insert: 'c', ordered: false, documents: documentSequence('documents', documents) });
