import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';

import { expect, test } from 'vitest';

import { connect } from '../../src/destination/connect.ts';
import { addressList, mayConnectTo } from '../../src/domain/addresses.ts';

test.each(['localhost', '127.0.0.1', '[::ffff:127.0.0.1]'])(
  'C13: nothing is sent to %s, an address on this side that is not allowed, whatever names it',
  async (host) => {
    let connections = 0;
    const listener = createServer((socket) => {
      connections += 1;
      socket.destroy();
    }).listen(0, '127.0.0.1');
    await once(listener, 'listening');
    const { port } = listener.address() as AddressInfo;
    const uri = `mongodb://${host}:${port}/?directConnection=true&serverSelectionTimeoutMS=500`;
    const ping = async (allowed: readonly string[]): Promise<unknown> => {
      const networks = addressList(allowed);
      const mayConnect = (address: string): boolean => mayConnectTo(address, networks);
      const overrides = { serverSelectionTimeoutMS: 500 };
      const client = connect(uri, { appName: 'test', mayConnect, overrides });
      try {
        return await client.db('admin').command({ ping: 1 });
      } finally {
        await client.close(true);
      }
    };
    try {
      await expect(ping([])).rejects.toThrow();
      expect(connections).toBe(0);
      // The check alone has kept it away.
      await expect(ping(['127.0.0.0/8', '::1/128'])).rejects.toThrow();
      expect(connections).toBeGreaterThan(0);
    } finally {
      listener.close();
    }
  },
);
