import type { Server } from 'node:http';

/**
 * Call it when a server begins to close. Node then checks the deadlines of requests no more: whoever has
 * opened a connection and sends nothing, or half a request, would keep the process from ever ending.
 * @param graceMs how long requests that are under way may still take, in milliseconds
 */
export function cutConnections(server: Server, graceMs: number): void {
  const timer = setTimeout(() => server.closeAllConnections(), graceMs);
  // Connections that are left keep the process running by themselves.
  timer.unref();
  server.once('close', () => clearTimeout(timer));
}
