import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type MessagePort, Worker } from 'node:worker_threads';
import { mayInspect } from '../agent/permission.js';
import type { AdminConfig } from '../config/admin.js';
import type { Config, ListenerConfig, Logger } from '../config/options.js';
import type { BuildInfo, FrontendView, StallView } from '../dialects/view.js';
import type { EngineCounter } from '../engine/monitor.js';
import { InferenceHealthError } from '../errors.js';
import type { GpuEvent } from '../gpu/policy.js';
import type { StatusEvent } from '../status/events.js';
import type { State } from '../status/types.js';
import type { AdminCommand, AdminResult } from './admin-commands.js';
import { CONTROL, CONTROL_SLOTS, type FromProbe, type ProbeThreadData, type ToProbe } from './messages.js';
import type { BoundListener } from './server.js';

export interface ProbeThreadOptions {
  readonly config: Config;
  readonly build: BuildInfo;
  readonly loop: number;
  readonly heartbeat: SharedArrayBuffer | null;
  readonly requests: SharedArrayBuffer;
  readonly load: SharedArrayBuffer;
  readonly events: SharedArrayBuffer;
  readonly probes: SharedArrayBuffer;
  readonly board: SharedArrayBuffer;
  readonly counters: () => readonly EngineCounter[];
  readonly logToStderr: boolean;
  readonly logger: Logger | null;
  /** State for a new thread: the first one, or one that replaces a dead one. */
  readonly state: () => { readonly state: State; readonly lastEventId: number };
  readonly onState: (state: State, lastEventId: number) => void;
  readonly onStall: (stall: StallView) => void;
  readonly onMetricsPort: (port: MessagePort) => void;
  readonly onAdmin: (command: AdminCommand) => AdminResult;
}

export interface Started {
  readonly listeners: readonly BoundListener[];
  readonly engine: 'uws' | 'http';
  readonly note: string;
  readonly admin: BoundListener | null;
}

/** The main thread's side of the probe thread. */
export interface ProbeThread {
  readonly started: Promise<Started>;
  send(id: number, event: StatusEvent): void;
  sendGpu(event: GpuEvent): void;
  /** Kept for a thread that replaces this one. */
  sendFrontend(frontend: FrontendView): void;
  sendCounter(counter: EngineCounter): void;
  renderMetrics(): Promise<Uint8Array>;
  replacements(): number;
  /** Resolves when the thread has ended. */
  close(): Promise<void>;
  /** For process 'exit' listeners: waits, at most 500 ms, until the thread has closed its sockets. */
  closeSync(): void;
}

/** uWebSockets.js aborts the process when its loop ends with open sockets, so the end is a handshake, never `terminate()`. */
const EXIT_HANDSHAKE_MS = 500;
const REPLACE_RETRY_MS = 1000;

const ENTRY = join(__dirname, 'entry.js');

/** Jest's `process` is a copy whose 'exit' never fires: uWebSockets.js would be left open at the end of every test run. */
function engineHere(choice: Config['httpEngine']): Config['httpEngine'] {
  return choice === 'auto' && process.env.JEST_WORKER_ID !== undefined ? 'http' : choice;
}

/** @throws InferenceHealthError ERR_CONFIG_INVALID where a bundler has separated this code from its threads. */
export function requireProbeEntry(): void {
  if (existsSync(ENTRY)) return;
  throw new InferenceHealthError(
    'ERR_CONFIG_INVALID',
    `the code of the probe thread is not at ${ENTRY}, as happens in a bundle: mark inference-health as external ` +
      'in the bundler (esbuild --external:inference-health, webpack externals) and install it beside the bundle',
  );
}

/** Starts the thread before it returns: it listens while the caller's next statement blocks. */
export function startProbeThread(options: ProbeThreadOptions): ProbeThread {
  const control = new SharedArrayBuffer(CONTROL_SLOTS * Int32Array.BYTES_PER_ELEMENT);
  const flags = new Int32Array(control);
  let worker: Worker;
  let isClosing = false;
  let replacements = 0;
  let frontend: FrontendView | null = null;
  let bound: readonly BoundListener[] | null = null;
  let boundAdmin: BoundListener | null = null;
  let retry: NodeJS.Timeout | undefined;
  let resolveStarted: (started: Started) => void = () => undefined;
  let rejectStarted: (error: Error) => void = () => undefined;
  const started = new Promise<Started>((resolve, reject) => {
    resolveStarted = resolve;
    rejectStarted = reject;
  });
  let onEnded: () => void = () => undefined;
  const ended = new Promise<void>((resolve) => {
    onEnded = resolve;
  });
  let lastScrape = 0;
  const scrapes = new Map<number, { resolve: (body: Uint8Array) => void; reject: (error: Error) => void }>();

  function post(message: ToProbe): void {
    worker.postMessage(message);
  }

  function spawn(): void {
    const data: ProbeThreadData = {
      config: {
        ...options.config,
        listeners: bindings(options.config.listeners, bound),
        admin: rebound(options.config.admin, boundAdmin),
        httpEngine: engineHere(options.config.httpEngine),
      },
      build: options.build,
      ...options.state(),
      loop: options.loop,
      heartbeat: options.heartbeat,
      mayInspect: mayInspect(),
      isDebugged: isDebugged(),
      requests: options.requests,
      load: options.load,
      events: options.events,
      probes: options.probes,
      board: options.board,
      counters: options.counters(),
      frontend,
      control,
      replacements,
      logToStderr: options.logToStderr,
    };
    // An empty environment and no execArgv: what the application preloads is not for this thread, and it starts faster.
    worker = new Worker(ENTRY, {
      workerData: data,
      execArgv: [],
      env: {},
      // Nothing comes that way, and forwarding it would open the application's own streams.
      stdout: true,
      stderr: true,
      name: 'inference-health-probe',
    });
    let cause: unknown;
    worker.on('message', onMessage);
    worker.on('error', (error) => {
      cause = error;
    });
    worker.on('exit', (code) => onExit(code, cause));
    // Until it listens it keeps the process alive: somebody may await the start and have nothing else to do.
    if (bound !== null) worker.unref();
  }

  function onMessage(message: FromProbe): void {
    switch (message.type) {
      case 'listening':
        bound = message.listeners;
        boundAdmin = message.admin;
        worker.unref();
        resolveStarted({
          listeners: message.listeners,
          engine: message.engine,
          note: message.note,
          admin: message.admin,
        });
        break;
      case 'failed':
        if (bound === null) {
          isClosing = true;
          rejectStarted(new InferenceHealthError(message.failure.code, message.failure.message));
        } else options.logger?.error({ code: message.failure.code }, message.failure.message);
        break;
      case 'state':
        options.onState(message.state, message.lastEventId);
        break;
      case 'stall':
        options.onStall(message.stall);
        break;
      case 'admin':
        post({ type: 'admin-done', id: message.id, result: options.onAdmin(message.command) });
        break;
      case 'metrics-port':
        options.onMetricsPort(message.port);
        break;
      case 'metrics': {
        const scrape = scrapes.get(message.id);
        scrapes.delete(message.id);
        if (message.body === null) scrape?.reject(new Error('metrics are not available'));
        else scrape?.resolve(message.body);
        break;
      }
      case 'log':
        options.logger?.[message.level](message.fields, message.message);
        break;
    }
  }

  function onExit(code: number, cause: unknown): void {
    for (const { reject } of scrapes.values())
      reject(new InferenceHealthError('ERR_CLOSED', 'the probe thread has ended'));
    scrapes.clear();
    if (isClosing) {
      onEnded();
      return;
    }
    const text = cause instanceof Error ? cause.message : `exit code ${code}`;
    if (bound === null) {
      isClosing = true;
      onEnded();
      rejectStarted(
        cause instanceof Error ? cause : new Error(`the probe thread ended before it listened: ${text}`),
      );
      return;
    }
    replacements += 1;
    options.logger?.error({ replacements, cause: text }, 'probe thread died and is replaced');
    // A thread that dies at once again must not spin.
    const now = performance.now();
    const again = now - lastSpawnMs < REPLACE_RETRY_MS;
    lastSpawnMs = now;
    if (again) retry = setTimeout(spawn, REPLACE_RETRY_MS).unref();
    else spawn();
  }

  let lastSpawnMs = Number.NEGATIVE_INFINITY;
  spawn();

  return {
    started,
    send: (id, event) => post({ type: 'event', id, event }),
    sendGpu: (event) => post({ type: 'gpu', event }),
    sendFrontend(next) {
      frontend = next;
      post({ type: 'frontend', frontend });
    },
    sendCounter: (counter) => post({ type: 'engine-counter', ...counter }),
    renderMetrics() {
      if (isClosing || worker.threadId < 0)
        return Promise.reject(new InferenceHealthError('ERR_CLOSED', 'the probe thread has ended'));
      lastScrape += 1;
      const id = lastScrape;
      return new Promise<Uint8Array>((resolve, reject) => {
        scrapes.set(id, { resolve, reject });
        post({ type: 'scrape', id });
      });
    },
    replacements: () => replacements,
    async close() {
      if (!isClosing) {
        isClosing = true;
        clearTimeout(retry);
        worker.ref();
        post({ type: 'close' });
      }
      await ended;
    },
    closeSync() {
      if (Atomics.load(flags, CONTROL.closed) === 1) return;
      isClosing = true;
      post({ type: 'close' });
      Atomics.wait(flags, CONTROL.closed, 0, EXIT_HANDSHAKE_MS);
    },
  };
}

function rebound(admin: AdminConfig | null, bound: BoundListener | null): AdminConfig | null {
  return admin?.kind === 'tcp' && bound?.kind === 'tcp' ? { ...admin, port: bound.port } : admin;
}

function isDebugged(): boolean {
  return [...process.execArgv, process.env.NODE_OPTIONS ?? ''].some((text) => text.includes('--inspect'));
}

/** A replacement takes the very ports of its predecessor, also where port 0 was asked for. */
function bindings(
  listeners: readonly ListenerConfig[],
  bound: readonly BoundListener[] | null,
): readonly ListenerConfig[] {
  if (bound === null) return listeners;
  return listeners.map((listener, index) => {
    const previous = bound[index];
    return listener.kind === 'tcp' && previous?.kind === 'tcp'
      ? { ...listener, port: previous.port }
      : listener;
  });
}
