import type { ChildProcess } from 'node:child_process';
import type { Server as HttpServer } from 'node:http';
import type { Server } from 'node:net';
import { invalid } from '../config/values.js';
import type { ShutdownHook } from './shutdown-hooks.js';

/**
 * What has an end of its own: a child process (SIGTERM, SIGKILL when its time is over), a server (no new connections, idle
 * ones closed, the rest when its time is over), or anything disposable.
 */
export type Closable = ChildProcess | HttpServer | Server | AsyncDisposable | Disposable;

export function closerOf(name: string, what: Closable): ShutdownHook {
  if (isChild(what)) return closeChild(what);
  if (isServer(what)) return closeServer(what);
  if (typeof what === 'object' && what !== null) {
    if (Symbol.asyncDispose in what) return () => what[Symbol.asyncDispose]();
    if (Symbol.dispose in what) return () => what[Symbol.dispose]();
  }
  throw invalid(`onShutdown ${name}`, 'a function, a child process, a server or something disposable', what);
}

function isChild(what: object): what is ChildProcess {
  return typeof (what as ChildProcess)?.kill === 'function' && 'exitCode' in what;
}

function isServer(what: object): what is HttpServer {
  const { close, listening } = (what ?? {}) as Server;
  return typeof close === 'function' && typeof listening === 'boolean';
}

function closeChild(child: ChildProcess): ShutdownHook {
  return ({ signal }) =>
    new Promise<void>((resolve) => {
      if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) {
        resolve();
        return;
      }
      child.once('exit', () => resolve());
      // A stopped child cannot act on SIGTERM, but SIGKILL ends it.
      signal.addEventListener('abort', () => child.kill('SIGKILL'), { once: true });
      child.kill('SIGTERM');
    });
}

function closeServer(server: HttpServer | Server): ShutdownHook {
  return ({ signal }) =>
    new Promise<void>((resolve) => {
      if (!server.listening) {
        resolve();
        return;
      }
      server.close(() => resolve());
      if (!('closeIdleConnections' in server)) return;
      server.closeIdleConnections();
      signal.addEventListener('abort', () => server.closeAllConnections(), { once: true });
    });
}
