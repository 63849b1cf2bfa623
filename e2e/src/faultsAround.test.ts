import { setTimeout as delay } from 'node:timers/promises';
import {
  failCommands,
  INTERRUPTED_AT_SHUTDOWN,
  NOT_WRITABLE_PRIMARY,
  stepDown,
  UNAUTHORIZED,
} from '@linkspan/testkit/failPoints.ts';
import { it } from 'vitest';
import { rounds, useFaultyPair } from './faultyPair.ts';

const faulty = useFaultyPair();

it('I2, I4, I7: connections that are reset in mid-batch, cut, refused, and answers that are lost', async () => {
  const { network } = faulty.parts;
  const writer = faulty.write();
  const id = await faulty.start();
  network.destination.resetAfter('up', 100_000);
  network.server.resetAfter('up', 30_000);
  network.source.resetAfter('down', 300_000);
  await faulty.tailing(id);
  for (const link of Object.values(network)) {
    link.resetAfter('down', 0);
    await rounds(writer, 15);
    link.cut();
    await rounds(writer, 15);
  }
  for (const link of Object.values(network)) {
    await link.refuse();
    await rounds(writer, 15);
    await link.heal();
  }
  await faulty.finish(id, writer);
});

it('I3: kill -9 of source and destination, in mid-copy and in mid-tail', async ({ skip }) => {
  const { source, destination } = faulty.parts;
  skip(!source.capabilities.control, 'needs servers that this process started');
  const id = await faulty.start();
  await destination.kill();
  await faulty.waiting(id, /destination/);
  await destination.restart();
  await source.kill();
  await faulty.waiting(id, /source|stream|127\.0\.0\.1/);
  await source.restart();
  await faulty.tailing(id);
  for (const mongodb of [source, destination]) {
    const writer = faulty.write();
    await rounds(writer, 20);
    await writer.stop();
    await mongodb.restart();
  }
  await faulty.finish(id, faulty.write());
});

it('Hazard 13: errors that pass are tried again, and those that do not are shown', async ({
  skip,
}) => {
  const { source, destination } = faulty.parts;
  skip(!destination.capabilities.failCommand, 'needs failCommand');
  const writer = faulty.write();
  const failCreate = ['create', 'createIndexes', 'insert'];
  await failCommands(destination, { failCommands: failCreate, closeConnection: true }, 2);
  // A driver may wait ten seconds after each until it asks such a server again.
  await failCommands(source, { failCommands: ['find'], errorCode: INTERRUPTED_AT_SHUTDOWN }, 2);
  const id = await faulty.start();
  await faulty.tailing(id);
  const appName = 'linkspan-agent';
  const writes = ['insert', 'update', 'delete'];
  // As often as takes seconds, with the pauses between: a report is sent every second.
  await failCommands(destination, { failCommands: writes, errorCode: NOT_WRITABLE_PRIMARY }, 16);
  await failCommands(source, { failCommands: ['getMore'], closeConnection: true, appName }, 3);
  await faulty.waiting(id, /cluster destination: .*failCommand/);
  await failCommands(destination, { failCommands: writes, errorCode: UNAUTHORIZED }, 8);
  await faulty.waiting(id, /pushing changes of app\.rows: .*failCommand/);
  const writeConcernError = { code: 91, errmsg: 'the primary is shutting down' };
  await failCommands(destination, { failCommands: writes, writeConcernError }, 3);
  await rounds(writer, 15);
  await faulty.finish(id, writer);
});

it('Hazard 13: a primary that steps down, on both sides', async ({ skip }) => {
  const { source, destination } = faulty.parts;
  skip(!source.capabilities.control, 'needs servers that this process started');
  const id = await faulty.start();
  await faulty.tailing(id);
  for (const mongodb of [source, destination]) {
    const writer = faulty.write();
    await rounds(writer, 20);
    await writer.stop();
    await stepDown(mongodb, 1);
    const admin = mongodb.client().db('admin');
    while (!(await admin.command({ hello: 1 }))['isWritablePrimary']) await delay(50);
  }
  await faulty.finish(id, faulty.write());
});
