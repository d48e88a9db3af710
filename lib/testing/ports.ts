import { createServer } from 'node:net';

/** Below what systems give to outgoing connections, so that nobody takes the port of a process that restarts. */
const FIRST = 20_000;
const LAST = 32_000;
const given = new Set<number>();

/** A free port on 127.0.0.1 that keeps free while its process is being restarted. */
export async function pickPort(): Promise<number> {
  for (let tries = 0; tries < 200; tries += 1) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST));
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    return port;
  }
  throw new Error(`no free port from ${FIRST} to ${LAST}`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
