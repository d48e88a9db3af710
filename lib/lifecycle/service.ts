import { startAdmission } from '../admission/admission.js';
import {
  createLoadBlock,
  createLoadReader,
  type LoadReader,
  type LoadWriter,
} from '../admission/load-block.js';
import type { Admission } from '../admission/permit.js';
import { type Canaries, createCanaries } from '../canary/canary.js';
import { collectBuildInfo } from '../config/build-info.js';
import type { Config, HealthOptions, Logger } from '../config/options.js';
import type { FrontendView } from '../dialects/view.js';
import { type BoardWriter, createBoard, createBoardWriter } from '../engine/board.js';
import { createEngineMonitor, type EngineMonitor } from '../engine/monitor.js';
import type { GpuEvent } from '../gpu/policy.js';
import { createAppMetrics } from '../metrics/app-registry.js';
import { createEventsBlock, writeEvents } from '../metrics/events-block.js';
import type { EventsInput } from '../metrics/input.js';
import { probeHistogramBytes } from '../metrics/probe-histogram.js';
import { monoMs } from '../native/clock.js';
import type { NativeGpu } from '../native/gpu-addon.js';
import { heartbeatBuffer, startHeartbeat } from '../native/heartbeat.js';
import type { NativeSignals } from '../native/signal-addon.js';
import { openSource } from '../native/source.js';
import { createEvaluator, type Evaluator } from '../probe/evaluator.js';
import { signature } from '../probe/publisher.js';
import { PROBE_ROUTE_LABELS } from '../probe/routes.js';
import { type Started, startProbeThread } from '../probe/thread.js';
import { countHttpRequests } from '../requests/http-channel.js';
import { closeRequestsBlock, createRequestsBlock } from '../requests/layout.js';
import { createRequestsReader, type RequestsReader } from '../requests/reader.js';
import {
  attachThread,
  createShare,
  publishShare,
  type ShareToken,
  type ThreadRequests,
  unpublishShare,
} from '../requests/share.js';
import { watchWorkers } from '../requests/workers.js';
import type { StatusEvent } from '../status/events.js';
import { initialState } from '../status/reducer.js';
import type { Policy } from '../status/types.js';
import { type ActiveScopes, createActiveScopes } from './active-scopes.js';
import { runAdminCommand } from './admin-control.js';
import { createEmitter, type HealthEmitter, type HealthStatus } from './emitter.js';
import { createEngineFailureWatch } from './engine-failure.js';
import { createGpuFailureWatch } from './gpu-failure.js';
import { createMirror } from './mirror.js';
import { createPhaseGate } from './phase-gate.js';
import { beginShutdown, createShutdown, type Shutdown } from './shutdown.js';

export interface ServiceInternals {
  /** The probe thread logs straight to standard error, as JSON lines. */
  readonly logToStderr?: boolean;
  /** Counts every node:http request of the main thread, from the call on. */
  readonly countHttp?: boolean;
}

/** What runs behind a `Health` handle. */
export interface Service {
  readonly config: Config;
  readonly native: boolean;
  readonly evaluator: Evaluator;
  readonly emitter: HealthEmitter;
  readonly share: ShareToken;
  readonly begin: ThreadRequests['begin'];
  readonly requests: RequestsReader;
  readonly load: LoadWriter;
  readonly loadReader: LoadReader;
  readonly admission: Admission;
  /** Requests that handlers of `serve()` work on. */
  readonly scopes: ActiveScopes;
  readonly logger: Logger | null;
  /** Resolves when every listener is bound; after a failure everything is closed again. */
  readonly started: Promise<Started>;
  /** Null where GPUs are not looked at. */
  readonly nativeGpu: NativeGpu | null;
  sendGpu(event: GpuEvent): void;
  /** What a frontend in this process says of its workers, for the probe thread to answer. */
  showFrontend(frontend: FrontendView): void;
  /** Likewise a worker of its connection to NATS, for `/metrics`. */
  showEvents(events: EventsInput): void;
  readonly engine: EngineMonitor;
  /** The engine's work as the watchdog sees it. */
  readonly board: BoardWriter;
  /** Null where no test requests are sent. */
  readonly canaries: Canaries | null;
  /** Sends an event to the probe thread; after `close` it does nothing. */
  dispatch(event: StatusEvent): void;
  renderMetrics(): Promise<Uint8Array>;
  status(): HealthStatus;
  activeRequests(): number;
  /** Null without the addon. */
  readonly signals: NativeSignals | null;
  /** The way to the end of the process, or only to no new requests. */
  readonly shutdown: Shutdown;
  isClosed(): boolean;
  /** Registers a clean-up, run by `close` in the order of registration. */
  onClose(cleanUp: () => void): void;
  close(): Promise<void>;
}

/** Facts older than five samples, but at least 5 s, count as stale. */
const STALE_SAMPLES = 5;
const STALE_AT_LEAST_MS = 5000;

function policyOf(config: Config): Policy {
  const { startupGraceMs, liveStallMs, loopUnreadyMs, memoryDegradedPercent, memoryUnhealthyPercent } =
    config;
  return {
    startupGraceMs,
    liveStallMs,
    loopUnreadyMs,
    memoryDegradedPercent,
    memoryUnhealthyPercent,
    gates: config.gates,
    aggregation: config.aggregation,
    engineGates: config.onEngineFailure !== 'ignore',
    requiredEndpoints: config.requiredEndpoints,
    startingHealthStatus: config.startingHealthStatus,
    sampleStaleMs: Math.max(STALE_AT_LEAST_MS, (STALE_SAMPLES * 1000) / config.sampleHz),
  };
}

/** Synchronous up to the start of the probe thread: the caller's next statement may block. */
export function startService(options: HealthOptions, config: Config, internals: ServiceInternals): Service {
  const logger = options.logger ?? null;
  const startedAtMs = monoMs();
  const build = collectBuildInfo(config.version);
  const { sampleHz: hz, root, perCore } = config;
  const beats = heartbeatBuffer();
  const { addon, native, report } = openSource({
    native: config.native,
    root,
    hz,
    perCore,
    heartbeat: beats,
  });
  // Only without the addon is the heartbeat needed: its wake-ups are not for free.
  const heartbeat = native ? null : startHeartbeat(monoMs, beats);
  if (native) addon.startSampler({ root, hz, perCore });
  const nativeGpu = config.gpu.mode === 'off' ? null : (addon.gpu ?? null);
  const { library, kmsg, isolation, segment } = config.gpu;
  nativeGpu?.startGpu({
    root,
    isolation,
    ...(library === null ? {} : { library }),
    ...(kmsg === null ? {} : { kmsg }),
    ...(segment === null ? {} : { segment }),
  });
  const loop = native ? addon.monitorLoop() : 0;

  const block = createRequestsBlock(startedAtMs);
  const share = createShare(block);
  const thread = attachThread(block, monoMs);
  const requests = createRequestsReader(block);
  const load = createLoadBlock();
  const loadReader = createLoadReader(load.buffer);
  const eventsBlock = createEventsBlock();
  const admission = startAdmission(config.limits, load);
  const scopes = createActiveScopes();
  const unwatchWorkers = watchWorkers(block, monoMs);
  const stopCounting = internals.countHttp === true ? countHttpRequests(thread.begin) : () => undefined;
  // At once: a worker that the application starts meanwhile gets the environment data of this moment.
  publishShare(share);

  const state = initialState(startedAtMs, policyOf(config));
  const evaluator = createEvaluator({
    source: addon,
    loop,
    state,
    build,
    degradedOk: config.degradedOk,
    native,
    load: loadReader,
  });
  const mirror = createMirror(evaluator);
  const emitter = createEmitter();
  const watchGpuFailure = createGpuFailureWatch(config);
  const boardBuffer = createBoard();
  const board = createBoardWriter(boardBuffer, monoMs);
  const engine = createEngineMonitor({
    board,
    config: config.engineMonitor,
    logger,
    now: monoMs,
    sendCounter: (counter) => probe.sendCounter(counter),
    onDead(finding, detail) {
      logger?.error({ cause: finding.cause, detail }, finding.message);
      // Not left to the probe thread's next look: this may be half a second earlier.
      dispatch({ type: 'engine', finding });
      watchEngineFailure(finding);
    },
  });
  const canaries =
    config.canary === null
      ? null
      : createCanaries({
          config: config.canary,
          logger,
          now: monoMs,
          dispatch,
          busy: board.running,
          progress: board.progressTotal,
          onWorking: () => board.progress(1),
          unsettled: (name) =>
            scopes.requests().filter(({ isCanary, endpoint }) => isCanary && endpoint === name).length,
        });
  const watchEngineFailure = createEngineFailureWatch({
    config,
    describe: engine.describe,
    isEnding: () => isClosed || evaluator.state().phase === 'draining',
    log: (level, fields, message) => logger?.[level](fields, message),
    emit: (failure) => emitter.emit('engineFailure', failure),
    endRequests: (message) => void scopes.killAll({ code: 'drain', message }),
    exit: (exitCode) => beginShutdown(service, { reason: 'engine failure', exitCode }),
  });
  const appMetrics = options.registry === undefined ? null : createAppMetrics({ registry: options.registry });

  const probe = startProbeThread({
    config,
    build,
    loop,
    heartbeat: native ? null : beats,
    requests: block.buffer,
    load: load.buffer,
    events: eventsBlock,
    board: boardBuffer,
    counters: engine.counters,
    probes: new SharedArrayBuffer(probeHistogramBytes(PROBE_ROUTE_LABELS.length)),
    logToStderr: internals.logToStderr ?? false,
    logger,
    state: () => ({ state: evaluator.state(), lastEventId: mirror.lastEventId() }),
    onState(owned, lastEventId) {
      mirror.acknowledge(owned, lastEventId);
      phases.acknowledge(lastEventId);
      announce();
      watchGpuFailure(service, owned.gpu);
      watchEngineFailure(owned.engine);
    },
    onStall(stall) {
      evaluator.setLastStall(stall);
      emitter.emit('stall', stall);
    },
    onAdmin: (command) => runAdminCommand(shutdown, command),
    onMetricsPort: (port) => (appMetrics === null ? port.close() : appMetrics.attach(port)),
  });

  let isClosed = false;
  let closing: Promise<void> | null = null;
  const cleanUps: (() => void)[] = [];
  const onExit = (): void => probe.closeSync();
  const onAbort = (): void => void close();
  process.on('exit', onExit);
  options.signal?.addEventListener('abort', onAbort, { once: true });

  function dispatch(event: StatusEvent): number {
    if (isClosed) return 0;
    const id = mirror.dispatch(event);
    probe.send(id, event);
    return id;
  }
  let firstTurn: NodeJS.Immediate | undefined;

  function close(): Promise<void> {
    closing ??= end();
    return closing;
  }

  async function end(): Promise<void> {
    isClosed = true;
    clearImmediate(firstTurn);
    options.signal?.removeEventListener('abort', onAbort);
    unwatchWorkers();
    stopCounting();
    canaries?.close();
    engine.close();
    shutdown.close();
    appMetrics?.close();
    await probe.close();
    process.off('exit', onExit);
    heartbeat?.stop();
    thread.release();
    unpublishShare(share);
    closeRequestsBlock(block);
    if (native) {
      addon.unmonitorLoop(loop);
      addon.stopSampler();
    }
    nativeGpu?.stopGpu();
    for (const cleanUp of cleanUps) cleanUp();
  }

  let announced = '';
  function announce(): void {
    const current = signature(evaluator.verdict());
    if (current === announced) return;
    announced = current;
    const now = status();
    log(now);
    emitter.emit('status', now);
  }

  let wasReady: boolean | null = null;
  function log({ phase, live, ready, health, reasons }: HealthStatus): void {
    // Milliseconds before the exit, which says it by itself.
    if (phase === 'stopped') return;
    const message = ready === wasReady ? 'status changed' : ready ? 'ready' : 'not ready';
    wasReady = ready;
    const codes = reasons.map(({ code }) => code);
    logger?.[ready ? 'info' : 'warn']({ phase, live, ready, health, reasons: codes }, message);
  }

  function status(): HealthStatus {
    evaluator.update();
    const { phase, live, ready, startup, health, reasons } = evaluator.verdict();
    const plain = reasons.map(({ component, code, message }) => ({ component, code, message }));
    return { phase, live, ready, startup, health, reasons: plain };
  }

  const phases = createPhaseGate((phase) => dispatch({ type: 'phase', atMs: monoMs(), phase }));
  const shutdown = createShutdown({
    config: config.drain,
    logger,
    emitter,
    now: monoMs,
    setPhase: phases.set,
    activeRequests: () => service.activeRequests(),
    setRefusing: admission.setRefusing,
    killScopes: (message) => void scopes.killAll({ code: 'drain', message }),
    signals: addon.signal ?? null,
    closeProbe: () => probe.close(),
    exit: (code) => process.exit(code),
  });

  const started = probe.started.then(
    (bound) => {
      // The message that brought this has come through the main loop: it turns. The caller may block from here on.
      dispatch({ type: 'main-reported', atMs: monoMs() });
      // Behind the caller's continuation: what it claims there is claimed before the process can count as started, so
      // that neither readiness nor /startupz says 200 for a moment before the model is loaded.
      firstTurn = setImmediate(() => dispatch({ type: 'settled' }));
      const { listeners, engine: httpEngine, note } = bound;
      logger?.info({ listeners, httpEngine, native }, `health started: ${note}`);
      for (const warning of config.warnings) logger?.warn({}, warning);
      if (report !== '')
        logger?.warn({ report }, 'the native addon did not load; the JavaScript fallback serves');
      return bound;
    },
    async (error: unknown) => {
      await close();
      throw error;
    },
  );

  const service: Service = {
    config,
    native,
    nativeGpu,
    showFrontend(frontend) {
      if (isClosed) return;
      evaluator.setFrontend(frontend);
      probe.sendFrontend(frontend);
    },
    showEvents: (events) => writeEvents(eventsBlock, events),
    sendGpu(event) {
      if (!isClosed) probe.sendGpu(event);
    },
    engine,
    board,
    canaries,
    evaluator,
    emitter,
    share,
    begin: thread.begin,
    requests,
    load,
    loadReader,
    admission,
    scopes,
    logger,
    started,
    dispatch,
    renderMetrics: probe.renderMetrics,
    status,
    // A request that the counters have no slot for still holds a scope.
    activeRequests: () => Math.max(requests.read(monoMs()).active, scopes.count()) - scopes.abandoned(),
    shutdown,
    signals: addon.signal ?? null,
    isClosed: () => isClosed,
    onClose: (cleanUp) => void cleanUps.push(cleanUp),
    close,
  };
  return service;
}
