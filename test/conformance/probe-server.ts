import { once } from 'node:events';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { LoadedHttpEngine } from '../../lib/probe/http-engine.js';
import type { BoundListener, ListenResult, ListenTarget } from '../../lib/probe/server.js';

export type Engine = 'uws' | 'http';

const built = createRequire(import.meta.url)('../../dist/cjs/probe/http-engine.js') as {
  loadHttpEngine(choice: 'auto'): LoadedHttpEngine;
};

/** Both engines where uWebSockets.js loads on this machine, else node:http alone. `engine-loading.test.ts` says where it must. */
export const ENGINES: readonly Engine[] =
  built.loadHttpEngine('auto').engine === 'uws' ? ['uws', 'http'] : ['http'];

export interface Observation {
  readonly path: string;
  readonly statusLine: string;
  readonly durationMs: number;
}

export interface TestServer {
  readonly engine: Engine;
  /** Where the first listener is: `127.0.0.1` and a free port unless `listen` was given another. */
  readonly port: number;
  listen(target: ListenTarget): Promise<ListenResult>;
  connections(): Promise<number>;
  /** What `onError` got since the last call. */
  errors(): Promise<string[]>;
  observed(): Promise<Observation[]>;
  /** Resident memory of the whole process, bytes. */
  rss(): Promise<number>;
  close(): Promise<void>;
}

export const LOOPBACK: ListenTarget = { kind: 'tcp', host: '127.0.0.1', port: 0 };

/** Runs `use` against a server on a thread of its own, and ends that thread. */
export async function withProbeServer(
  engine: Engine,
  use: (server: TestServer) => Promise<void>,
): Promise<void> {
  const worker = new Worker(join(import.meta.dirname, 'server-worker.cjs'), {
    workerData: { engine },
    execArgv: [],
  });
  const ended = once(worker, 'exit');
  const ask = askOver(worker);
  try {
    const listen = (target: ListenTarget) => ask('listen', target) as Promise<ListenResult>;
    const first = boundOf(await listen(LOOPBACK));
    await use({
      engine,
      port: first.kind === 'tcp' ? first.port : 0,
      listen,
      connections: () => ask('connections') as Promise<number>,
      errors: () => ask('errors') as Promise<string[]>,
      observed: () => ask('observed') as Promise<Observation[]>,
      rss: () => ask('rss') as Promise<number>,
      close: () => ask('close') as Promise<void>,
    });
  } finally {
    worker.postMessage({ id: -1, command: 'end' });
    await ended;
  }
}

function askOver(worker: Worker): (command: string, argument?: unknown) => Promise<unknown> {
  let lastId = 0;
  const waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  worker.on('message', ({ id, result }: { id: number; result: unknown }) => {
    waiting.get(id)?.resolve(result);
    waiting.delete(id);
  });
  worker.on('error', (error) => {
    for (const { reject } of waiting.values()) reject(error);
  });
  return (command, argument) =>
    new Promise((resolve, reject) => {
      lastId += 1;
      waiting.set(lastId, { resolve, reject });
      worker.postMessage({ id: lastId, command, argument });
    });
}

export function boundOf(result: ListenResult): BoundListener {
  if (!result.ok) throw new Error(`${result.failure.code}: ${result.failure.message}`);
  return result.bound;
}
