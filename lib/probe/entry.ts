/** The probe thread. It loads an HTTP server and our own code, nothing else, and never touches libuv's pool. */
import { parentPort, type TransferListItem, workerData } from 'node:worker_threads';
import { createLoadReader } from '../admission/load-block.js';
import { createAgent } from '../agent/client.js';
import type { AdminConfig } from '../config/admin.js';
import { stallDocument } from '../dialects/bitnet.js';
import { createEngineJudge } from '../engine/judge.js';
import { InferenceHealthError } from '../errors.js';
import { readEvents } from '../metrics/events-block.js';
import { createProbeHistogram } from '../metrics/probe-histogram.js';
import { createMetricsRoute } from '../metrics/route.js';
import type { NativeGpu } from '../native/gpu-addon.js';
import { openSource } from '../native/source.js';
import { openRequestsBlock } from '../requests/layout.js';
import { createRequestsReader } from '../requests/reader.js';
import { releaseDeadThreads } from '../requests/slots.js';
import { writeStderr } from '../stderr.js';
import type { AdminServer } from './admin.js';
import type { AdminResult } from './admin-commands.js';
import { createEvaluator } from './evaluator.js';
import { createGpuWatch, type GpuJudge } from './gpu-watch.js';
import { createHangWatch } from './hang-watch.js';
import { type LoadedHttpEngine, loadHttpEngine } from './http-engine.js';
import { createLive } from './live.js';
import { CONTROL, type FromProbe, type ProbeThreadData, type ToProbe } from './messages.js';
import { collectMetrics } from './metrics-input.js';
import { createPublisher } from './publisher.js';
import { PROBE_ROUTE_LABELS, probeRoutes, routeIndex } from './routes.js';
import type { BoundListener } from './server.js';
import { createStallWatch } from './stall-watch.js';
import { untilNextLook } from './tick.js';

const RELEASE_EVERY_MS = 900;
/** How often GPUs, where there are any, are looked at for faults; `GpuWatch.glance` says what a look costs. */
const GLANCE_MS = 100;

const data = workerData as ProbeThreadData;
const { config, loop } = data;

function send(message: FromProbe, transfer: readonly TransferListItem[] = []): void {
  parentPort?.postMessage(message, transfer);
}

type Level = 'debug' | 'info' | 'warn' | 'error';

/** Lines that matter most come while the main thread is stuck: to standard error they do not go through it. */
function log(level: Level, fields: object, message: string): void {
  if (!data.logToStderr) send({ type: 'log', level, fields, message });
  else writeStderr(JSON.stringify({ level, time: new Date().toISOString(), ...fields, msg: message }));
}

const onError = (error: unknown): void =>
  log(
    'error',
    { error: error instanceof Error ? (error.stack ?? error.message) : String(error) },
    'error on the probe thread',
  );

// The listener outlives any error on this thread; a process without probes is worse than one with a logged bug.
process.on('uncaughtException', onError);

const source = openSource({
  native: config.native,
  root: config.root,
  hz: config.sampleHz,
  perCore: config.perCore,
  heartbeat: data.heartbeat,
});
const { addon } = source;
// Without the addon the samples are taken here; with it the main thread has started the sampler already.
if (!source.native) addon.startSampler({ root: config.root, hz: config.sampleHz, perCore: config.perCore });

const block = openRequestsBlock(data.requests);
if (block === null) throw new Error('the request counters are not readable');
const requests = createRequestsReader(block);
const load = createLoadReader(data.load);
const histogram = createProbeHistogram(PROBE_ROUTE_LABELS, data.probes);
const gpu =
  addon.gpu === undefined || config.gpu.mode === 'off'
    ? null
    : createGpuWatch(addon.gpu, config.gpu, loadGpuJudge);
function loadGpuJudge(): GpuJudge {
  const { createGpuJudge } = require('./gpu-judge.js') as typeof import('./gpu-judge.js');
  return createGpuJudge(addon.gpu as NativeGpu, config, () => {
    // Nothing counted at all means that the load is unknown, not that it is nothing.
    const { active, total, tokensTotal } = requests.read(evaluator.moment.monoMs);
    return { inFlight: total === 0 ? null : active, tokens: tokensTotal === 0 ? null : tokensTotal };
  });
}
const engine = createEngineJudge(
  data.board,
  { ...config.engineMonitor, liveStallMs: config.liveStallMs },
  () => requests.read(evaluator.moment.monoMs),
);
for (const { id, buffer } of data.counters) engine.setCounter(id, buffer);
const evaluator = createEvaluator({
  engine,
  source: addon,
  loop,
  state: data.state,
  build: data.build,
  degradedOk: config.degradedOk,
  native: source.native,
  load,
  frontend: data.frontend,
  ...(gpu === null ? {} : { gpu }),
});

const agent = createAgent({
  onAppPort: (port) => send({ type: 'metrics-port', port }, [port]),
  onNotice: (message) => log('warn', {}, message),
});
const watchStall = createStallWatch({
  agent,
  source: addon,
  loop,
  heartbeat: data.heartbeat,
  mayInspect: data.mayInspect,
  afterMs: config.stallStackAfterMs,
  onStall(stall) {
    evaluator.setLastStall(stall);
    log('warn', { stall: stallDocument(stall) }, `main thread blocked for ${Math.round(stall.busyMs)} ms`);
    send({ type: 'stall', stall });
  },
  onEnd: (ms) =>
    log('warn', { stall_ms: Math.round(ms) }, `main thread turns again after ${Math.round(ms)} ms`),
  onError,
});

let lastEventId = data.lastEventId;
const publish = createPublisher((state, id) => send({ type: 'state', state, lastEventId: id }));
let publishedGeneration = -1;
let publishedEventId = -1;
function publishNow(): void {
  const generation = evaluator.verdictGeneration();
  if (generation === publishedGeneration && lastEventId === publishedEventId) return;
  publishedGeneration = generation;
  publishedEventId = lastEventId;
  publish(evaluator.verdict(), evaluator.state(), lastEventId);
}

const watchHang = createHangWatch({
  config,
  mayEnd: !data.isDebugged,
  active: () => requests.read(evaluator.moment.monoMs).active,
  log: (message) =>
    writeStderr(JSON.stringify({ level: 'error', time: new Date().toISOString(), msg: message })),
  exit(code) {
    addon.signal?.exitProcess(code);
    // Without the addon the exit code is another, the end is the same.
    process.kill(process.pid, 'SIGKILL');
  },
});

const refreshLive = createLive(requests, load);

let releasedAtMs = 0;
/** What is done between probes, and when nobody asks: for status events, stale facts and stalls. */
function lookAround(): void {
  evaluator.update();
  publishNow();
  watchStall(evaluator.busyMs());
  const { monoMs } = evaluator.moment;
  watchHang(monoMs, evaluator.busyMs());
  if (monoMs - releasedAtMs < RELEASE_EVERY_MS) return;
  releasedAtMs = monoMs;
  releaseDeadThreads(block as NonNullable<typeof block>, monoMs);
}

function tick(): void {
  try {
    lookAround();
  } catch (error) {
    onError(error);
  }
  const delayMs = untilNextLook({
    busyMs: evaluator.busyMs(),
    stallAfterMs: config.stallStackAfterMs,
    validForMs: evaluator.verdict().validUntilMs - evaluator.moment.monoMs,
    isWatching: !engine.isIdle() || gpu?.isWatching() === true,
  });
  timer = setTimeout(tick, delayMs);
  if (gpu?.isWatching() === true) glances ??= setInterval(glance, GLANCE_MS);
}

/** A GPU's fault is for the application to learn of soon, though nobody asks. */
function glance(): void {
  try {
    if (gpu?.glance() !== true) return;
  } catch (error) {
    onError(error);
    return;
  }
  clearTimeout(timer);
  tick();
}

function fail(error: unknown): void {
  const known = error instanceof InferenceHealthError;
  const message = error instanceof Error ? error.message : String(error);
  send({ type: 'failed', failure: { code: known ? error.code : 'ERR_CONFIG_INVALID', message } });
}

let httpEngine: LoadedHttpEngine | null = null;
let admin: AdminServer | null = null;
let timer: NodeJS.Timeout | undefined;
let glances: NodeJS.Timeout | undefined;
const control = new Int32Array(data.control);

function shut(): void {
  clearTimeout(timer);
  clearInterval(glances);
  httpEngine?.server.close();
  admin?.close();
  if (!source.native) addon.stopSampler();
  Atomics.store(control, CONTROL.closed, 1);
  Atomics.notify(control, CONTROL.closed);
  void agent.close().finally(endThread);
}

/** Nothing but the port keeps this thread alive. Deno's has no `close`; there the worker itself has. */
function endThread(): void {
  const deno = globalThis as { close?: () => void };
  if (typeof parentPort?.close === 'function') parentPort.close();
  else deno.close?.();
}
// However this thread ends, its sockets are closed before its loop is: uWebSockets.js aborts the process otherwise.
process.on('exit', () => httpEngine?.server.close());

parentPort?.on('message', (message: ToProbe) => {
  switch (message.type) {
    case 'event':
      evaluator.apply(message.event);
      lastEventId = message.id;
      evaluator.update();
      publishNow();
      break;
    case 'gpu':
      gpu?.report(message.event);
      evaluator.update();
      publishNow();
      break;
    case 'frontend':
      evaluator.setFrontend(message.frontend);
      break;
    case 'engine-counter':
      engine.setCounter(message.id, message.buffer);
      break;
    case 'scrape':
      agent
        .renderMetrics(() => collect())
        .then(
          (body) => send({ type: 'metrics', id: message.id, body }),
          () => send({ type: 'metrics', id: message.id, body: null }),
        );
      break;
    case 'admin-done':
      commands.get(message.id)?.(message.result);
      commands.delete(message.id);
      break;
    case 'close':
      shut();
      break;
  }
});

const collect = (isDynamo = false) =>
  collectMetrics({
    isDynamo,
    evaluator,
    source: addon,
    loop,
    native: source.native,
    perCore: config.perCore,
    httpEngine: httpEngine?.engine ?? 'none',
    version: data.build.inference_health_version,
    requests,
    load,
    events: () => readEvents(data.events),
    probes: () => histogram.snapshot(httpEngine?.server.connections() ?? 0),
    replacements: data.replacements,
  });

let lastCommand = 0;
const commands = new Map<number, (result: AdminResult) => void>();

/** Loaded only where it is asked for: probes pay nothing for it. */
function openAdmin(adminConfig: AdminConfig): AdminServer {
  const { createAdminServer } = require('./admin.js') as typeof import('./admin.js');
  return createAdminServer(adminConfig, {
    facts() {
      evaluator.update();
      const { phase, ready } = evaluator.verdict();
      const activeRequests = requests.read(evaluator.moment.monoMs).active;
      return { phase, ready, activeRequests, mainBusyMs: evaluator.busyMs() };
    },
    announceDrain() {
      evaluator.update();
      const { phase } = evaluator.state();
      if (phase !== 'starting' && phase !== 'serving') return;
      evaluator.apply({ type: 'phase', atMs: evaluator.moment.monoMs, phase: 'draining' });
      evaluator.update();
      publishNow();
    },
    command(command) {
      lastCommand += 1;
      const id = lastCommand;
      send({ type: 'admin', id, command });
      return new Promise((resolve) => commands.set(id, resolve));
    },
    onError,
  });
}

async function start(): Promise<void> {
  const loaded = loadHttpEngine(config.httpEngine, { onError });
  httpEngine = loaded;
  const metricsOf = {
    plain: createMetricsRoute(() => agent.renderMetrics(() => collect())),
    dynamo: createMetricsRoute(() => agent.renderMetrics(() => collect(true), 'dynamo')),
  };
  const listeners: BoundListener[] = [];
  evaluator.update();
  for (const listener of config.listeners) {
    const routes = probeRoutes({
      evaluator,
      dialect: listener.dialect,
      details: listener.details,
      ...(listener.paths === undefined ? {} : { paths: listener.paths }),
      liveMode: config.liveMode,
      metrics: listener.dialect === 'dynamo-worker' ? metricsOf.dynamo : metricsOf.plain,
      refreshLive,
      observe: (path, statusLine, durationMs) =>
        histogram.observe(routeIndex(path, listener.paths), statusLine.charCodeAt(0) - 48, durationMs),
    });
    const result = await loaded.server.listen(listener, routes);
    if (!result.ok) {
      send({ type: 'failed', failure: result.failure });
      shut();
      return;
    }
    listeners.push(result.bound);
  }
  let adminBound: BoundListener | null = null;
  if (config.admin !== null) {
    admin = openAdmin(config.admin);
    const result = await admin.listen();
    if (!result.ok) {
      send({ type: 'failed', failure: result.failure });
      shut();
      return;
    }
    adminBound = result.bound;
  }
  send({ type: 'listening', listeners, engine: loaded.engine, note: loaded.note, admin: adminBound });
  publishNow();
  tick();
}

start().catch((error: unknown) => {
  fail(error);
  shut();
});
