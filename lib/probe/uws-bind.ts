import { type AddressInfo, createServer } from 'node:net';
import type { UwsApp, UwsListenSocket, UwsModule } from './uws-types.js';

/** Another process may take a free port between its choice and its use. */
const FREE_PORT_ATTEMPTS = 5;

export type BindResult =
  | { readonly socket: UwsListenSocket }
  /** Null: node:net can bind the address, yet uWebSockets.js cannot. */
  | { readonly errno: string | null };

/**
 * Listens exclusively. uWebSockets.js gives no cause when it cannot, so node:net then tries the same.
 *
 * Port 0 is chosen here: with port 0 uWebSockets.js sets no SO_REUSEADDR, connections inherit that, and one of them in
 * TIME_WAIT keeps a successor from the port for a minute.
 */
export async function bindTcp(
  uws: UwsModule,
  app: UwsApp,
  host: string,
  port: number,
  isClosed: () => boolean,
): Promise<BindResult> {
  const listen = (at: number): UwsListenSocket | false => {
    let bound: UwsListenSocket | false = false;
    app.listen(host, at, uws.LIBUS_LISTEN_EXCLUSIVE_PORT, (socket) => {
      bound = socket;
    });
    return bound;
  };
  if (port !== 0) {
    const socket = listen(port);
    if (socket !== false) return { socket };
  }
  let errno: string | null = null;
  for (let attempt = 0; attempt < FREE_PORT_ATTEMPTS; attempt += 1) {
    const tried = await tryWithNode({ host, port });
    // A closed app would listen all the same, and nobody would close it again.
    if (isClosed()) break;
    if ('errno' in tried) {
      errno = tried.errno;
      break;
    }
    const socket = listen(tried.port);
    if (socket !== false) return { socket };
  }
  return { errno };
}

export async function bindUnix(app: UwsApp, path: string): Promise<BindResult> {
  let bound: UwsListenSocket | false = false;
  app.listen_unix((socket) => {
    bound = socket;
  }, path);
  if (bound !== false) return { socket: bound };
  const tried = await tryWithNode({ path });
  return { errno: 'errno' in tried ? tried.errno : null };
}

type Attempt = { readonly port: number } | { readonly errno: string };

function tryWithNode(address: { host: string; port: number } | { path: string }): Promise<Attempt> {
  return new Promise((settle) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => settle({ errno: error.code ?? error.message }));
    server.listen({ ...address, exclusive: true }, () => {
      const bound = server.address();
      const port = typeof bound === 'string' ? 0 : ((bound as AddressInfo | null)?.port ?? 0);
      server.close(() => settle({ port }));
    });
  });
}
