import { lookup as systemLookup } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';

import { splitTlsCa } from '../domain/destinationTls.ts';
import { MongoClient, type MongoClientOptions } from 'mongodb';

/** Whether the server may connect to an address, IPv4 or IPv6 (rule C13). */
export type AddressCheck = (address: string) => boolean;

const OPTIONS = {
  connectTimeoutMS: 10_000,
  serverSelectionTimeoutMS: 15_000,
  // Longer than a command and its write concern may take: cuts only what is broken.
  socketTimeoutMS: 150_000,
  waitQueueTimeoutMS: 60_000,
  // A monitor that waits at the server would be listed there for ten seconds after its process died.
  serverMonitoringMode: 'poll',
  readPreference: 'primary',
  retryReads: false,
  // The driver would send a write again by itself, past the check that stands before each (C6).
  retryWrites: false,
} as const satisfies MongoClientOptions;

export interface ConnectOptions {
  /** Shown by the server as the name of every connection. */
  readonly appName: string;
  readonly mayConnect: AddressCheck;
  /** What differs from the rest. */
  readonly overrides?: MongoClientOptions;
}

/**
 * A client for a destination cluster; it connects with its first command. Every address is checked
 * before it is used, those that discovery or DNS give included.
 */
export function connect(uri: string, options: ConnectOptions): MongoClient {
  const { appName, mayConnect, overrides } = options;
  const lookup = checkedLookup(mayConnect);
  const { uri: plain, ca } = splitTlsCa(uri);
  const trusted = ca === null ? {} : { ca };
  const client = new MongoClient(plain, { ...OPTIONS, ...overrides, ...trusted, appName, lookup });
  // An address that stands for itself is never looked up.
  client.on('serverOpening', ({ address }) => {
    const host = address.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
    if (isIP(host) !== 0 && !mayConnect(host)) void client.close(true);
  });
  return client;
}

function checkedLookup(mayConnect: AddressCheck): LookupFunction {
  return (name, how, done) => {
    systemLookup(name, { ...how, all: true }, (error, addresses) => {
      if (error !== null) return done(error, []);
      const refused = addresses.find(({ address }) => !mayConnect(address));
      const [first] = addresses;
      if (refused !== undefined || first === undefined) {
        const reason = `${name} has the address ${refused?.address ?? 'none'}, which this server may not connect to: see --allowed-networks`;
        return done(new Error(reason), []);
      }
      return how.all === true ? done(null, addresses) : done(null, first.address, first.family);
    });
  };
}
