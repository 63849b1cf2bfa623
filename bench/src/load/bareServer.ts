import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What any answer costs on this machine: an HTTP server of Node that says always the same. */
const server = createServer((_request, response) => {
  response.writeHead(200, { 'content-type': 'application/json' }).end('{"live":true}');
});
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
process.once('disconnect', () => process.exit(0));
