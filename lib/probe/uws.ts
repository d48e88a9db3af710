import { connectionLimit } from './connection-limit.js';
import { closedFailure, failureFromErrno } from './listen-failure.js';
import { lacksAddressFamily, listenHosts } from './listen-host.js';
import type { ListenResult, ListenTarget, ProbeRoutes, ProbeServer, ProbeServerOptions } from './server.js';
import { claimUnixSocket } from './unix-socket.js';
import { bindTcp, bindUnix } from './uws-bind.js';
import { type LateAnswers, routeUws } from './uws-routes.js';
import type { UwsApp, UwsModule, UwsResponse } from './uws-types.js';

interface Listener {
  readonly app: UwsApp;
  readonly release: () => void;
}

/**
 * The fast engine: uWebSockets.js on the probe thread's own loop.
 *
 * Its teardown is unforgiving. A worker that ends while an app is open aborts the whole process ("uv_loop_close() while
 * having open handles"), so the thread's entry calls `close` in its process 'exit' listener, the main thread asks for it
 * in its own, and nobody calls `terminate()`.
 */
export function createUwsServer(uws: UwsModule, options: ProbeServerOptions = {}): ProbeServer {
  uws._cfg?.('silent');
  const listeners = new Set<Listener>();
  const limit = connectionLimit();
  const late: LateAnswers = { count: 0 };
  let connections = 0;
  let isClosed = false;

  function countConnection(response: UwsResponse, change: number): void {
    connections += change;
    if (change > 0 && connections > limit) response.close();
  }

  function newApp(routes: ProbeRoutes): UwsApp {
    const app = uws.App();
    app.filter(countConnection);
    routeUws(app, routes, options.onError, late);
    return app;
  }

  async function listen(target: ListenTarget, routes: ProbeRoutes): Promise<ListenResult> {
    if (isClosed) return { ok: false, failure: closedFailure(target) };
    const app = newApp(routes);
    // Known from the start, so that `close()` in the middle of an attempt closes it too.
    const listener: Listener = { app, release: () => undefined };
    listeners.add(listener);
    try {
      const result =
        target.kind === 'unix' ? await openUnix(listener, target) : await openTcp(listener, target);
      if (!result.ok) drop(listener);
      return isClosed ? { ok: false, failure: closedFailure(target) } : result;
    } catch (error) {
      drop(listener);
      return { ok: false, failure: failureFromErrno(target, undefined, String(error)) };
    }
  }

  async function openTcp({ app }: Listener, target: ListenTarget & { kind: 'tcp' }): Promise<ListenResult> {
    const hosts = listenHosts(target);
    if ('code' in hosts) return { ok: false, failure: hosts };
    let errno: string | undefined;
    for (const host of hosts) {
      const result = await bindTcp(uws, app, host, target.port, () => isClosed);
      if ('socket' in result) {
        return { ok: true, bound: { kind: 'tcp', host, port: uws.us_socket_local_port(result.socket) } };
      }
      errno = result.errno ?? undefined;
      if (isClosed || !lacksAddressFamily(errno)) break;
    }
    return { ok: false, failure: failureFromErrno(target, errno) };
  }

  async function openUnix(
    listener: Listener,
    target: ListenTarget & { kind: 'unix' },
  ): Promise<ListenResult> {
    const claimed = await claimUnixSocket(target);
    if (!claimed.ok) return claimed;
    const { claim } = claimed;
    if (isClosed) {
      claim.abandon();
      return { ok: false, failure: closedFailure(target) };
    }
    const result = await bindUnix(listener.app, claim.bindPath);
    if ('errno' in result) {
      claim.abandon();
      return { ok: false, failure: failureFromErrno(target, result.errno ?? undefined) };
    }
    const failure = claim.publish();
    if (failure !== null) return { ok: false, failure };
    listeners.delete(listener);
    listeners.add({ app: listener.app, release: claim.release });
    return { ok: true, bound: { kind: 'unix', path: target.path } };
  }

  function drop(listener: Listener): void {
    if (!listeners.delete(listener)) return;
    closeListener(listener);
  }

  return {
    engine: 'uws',
    listen,
    connections: () => connections,
    close() {
      isClosed = true;
      for (const listener of listeners) drop(listener);
    },
  };
}

function closeListener({ app, release }: Listener): void {
  release();
  // `us_listen_socket_close` would leave keep-alive connections open and answered; this ends everything.
  app.close();
}
