import { isMainThread } from 'node:worker_threads';
import { collectBuildInfo } from '../config/build-info.js';
import type { Config, HealthOptions } from '../config/options.js';
import { resolveConfig } from '../config/resolve.js';
import { InferenceHealthError } from '../errors.js';
import { createAppMetrics } from '../metrics/app-registry.js';
import { probeHistogramBytes } from '../metrics/probe-histogram.js';
import { createMetricsRoute } from '../metrics/route.js';
import { monoMs } from '../native/clock.js';
import { startHeartbeat } from '../native/heartbeat.js';
import { openSource } from '../native/source.js';
import { createEvaluator } from '../probe/evaluator.js';
import { createLive } from '../probe/live.js';
import { signature } from '../probe/publisher.js';
import { PROBE_ROUTE_LABELS } from '../probe/routes.js';
import { startProbeThread } from '../probe/thread.js';
import { countHttpRequests } from '../requests/http-channel.js';
import { closeRequestsBlock, createRequestsBlock } from '../requests/layout.js';
import { createRequestsReader } from '../requests/reader.js';
import { attachThread, createShare, publishShare, unpublishShare } from '../requests/share.js';
import { watchWorkers } from '../requests/workers.js';
import type { StatusEvent } from '../status/events.js';
import { initialState } from '../status/reducer.js';
import type { Policy } from '../status/types.js';
import { startCheck } from './checks.js';
import { checkName, createClaim, createComponent, createEndpoint, createHold } from './claims.js';
import { createEmitter, type HealthStatus } from './emitter.js';
import { createHandler } from './handler.js';
import type { Health } from './health.js';
import { createMirror } from './mirror.js';
import { installShutdown } from './shutdown.js';

/** Not part of the public options: how the package's own commands start it. */
export interface StartInternals {
  readonly logToStderr?: boolean;
  /** Counts every node:http request of the main thread, from the call on. */
  readonly countHttp?: boolean;
  /** On a signal that the application handles itself, only drains and leaves the exit to it, for the grace period. */
  readonly yieldsExit?: boolean;
}

/** On globalThis, because ESM, CommonJS and a second copy of the package must agree. */
const RUNNING = Symbol.for('inference-health.running');
type Registry = { [RUNNING]?: true | undefined };

/** Facts older than five samples, but at least 5 s, count as stale. */
const STALE_SAMPLES = 5;
const STALE_AT_LEAST_MS = 5000;
const DRAIN_POLL_MS = 20;

/**
 * Starts health for this process: the probe thread, the host sampler and the loop monitor.
 *
 * The probe thread is started before this function returns its promise, so probes are answered while the next statement
 * blocks the main thread. Resolves once every listener is bound. Installs no signal handler (but see `shutdown`) and does
 * not keep the process alive.
 *
 * @throws InferenceHealthError ERR_CONFIG_INVALID, ERR_ALREADY_STARTED, ERR_PORT_IN_USE, ERR_PORT_FORBIDDEN,
 * ERR_HOST_INVALID, ERR_NATIVE_LOAD (as a rejection)
 */
export async function startHealth(options: HealthOptions = {}): Promise<Health> {
  return startWith(options, {});
}

export async function startWith(options: HealthOptions, internals: StartInternals): Promise<Health> {
  if (!isMainThread)
    throw new InferenceHealthError(
      'ERR_CONFIG_INVALID',
      'startHealth belongs on the main thread; other threads call attachHealth()',
    );
  const registry = globalThis as Registry;
  if (registry[RUNNING])
    throw new InferenceHealthError(
      'ERR_ALREADY_STARTED',
      'health is already running in this process; close() it first',
    );
  const config = resolveConfig(options, process.env);
  options.signal?.throwIfAborted();
  registry[RUNNING] = true;
  try {
    return await run(options, config, internals, () => {
      registry[RUNNING] = undefined;
    });
  } catch (error) {
    registry[RUNNING] = undefined;
    throw error;
  }
}

function policyOf(config: Config): Policy {
  return {
    startupGraceMs: config.startupGraceMs,
    liveStallMs: config.liveStallMs,
    loopUnreadyMs: config.loopUnreadyMs,
    memoryDegradedPercent: config.memoryDegradedPercent,
    memoryUnhealthyPercent: config.memoryUnhealthyPercent,
    gates: config.gates,
    aggregation: config.aggregation,
    sampleStaleMs: Math.max(STALE_AT_LEAST_MS, (STALE_SAMPLES * 1000) / config.sampleHz),
  };
}

async function run(
  options: HealthOptions,
  config: Config,
  internals: StartInternals,
  onClosed: () => void,
): Promise<Health> {
  const logger = options.logger ?? null;
  const startedAtMs = monoMs();
  const build = collectBuildInfo(config.version);
  const heartbeat = startHeartbeat(monoMs);
  const source = openSource({
    native: config.native,
    root: config.root,
    hz: config.sampleHz,
    perCore: config.perCore,
    heartbeat: heartbeat.buffer,
  });
  const { addon } = source;
  // Only without the addon is the heartbeat needed: a timer would be a wake-up that idle applications do not deserve.
  if (source.native) heartbeat.stop();
  if (source.native) addon.startSampler({ root: config.root, hz: config.sampleHz, perCore: config.perCore });
  const loop = source.native ? addon.monitorLoop() : 0;

  const block = createRequestsBlock(startedAtMs);
  const share = createShare(block);
  const thread = attachThread(block, monoMs);
  const unwatchWorkers = watchWorkers(block, monoMs);
  const stopCounting = internals.countHttp === true ? countHttpRequests(thread.begin) : () => undefined;
  // At once: a worker that the application starts meanwhile gets the environment data of this moment.
  publishShare(share);
  const requests = createRequestsReader(block);
  const evaluator = createEvaluator({
    source: addon,
    loop,
    state: initialState(startedAtMs, policyOf(config)),
    build,
    degradedOk: config.degradedOk,
    native: source.native,
  });
  const mirror = createMirror(evaluator);
  const emitter = createEmitter();
  const appMetrics = options.registry === undefined ? null : createAppMetrics({ registry: options.registry });

  const probe = startProbeThread({
    config,
    build,
    loop,
    heartbeat: source.native ? null : heartbeat.buffer,
    requests: block.buffer,
    probes: new SharedArrayBuffer(probeHistogramBytes(PROBE_ROUTE_LABELS.length)),
    logToStderr: internals.logToStderr ?? false,
    logger,
    state: () => ({ state: evaluator.state(), lastEventId: mirror.lastEventId() }),
    onState(state, lastEventId) {
      mirror.acknowledge(state, lastEventId);
      announce();
    },
    onStall(stall) {
      evaluator.setLastStall(stall);
      emitter.emit('stall', stall);
    },
    onMetricsPort: (port) => (appMetrics === null ? port.close() : appMetrics.attach(port)),
  });

  const dispatch = (event: StatusEvent): void => {
    if (isClosed) return;
    probe.send(mirror.dispatch(event), event);
  };
  const firstTurn = setImmediate(() => dispatch({ type: 'main-reported', atMs: monoMs() }));

  const onExit = (): void => probe.closeSync();
  process.on('exit', onExit);
  const onAbort = (): void => void close();
  options.signal?.addEventListener('abort', onAbort, { once: true });

  let isClosed = false;
  let closing: Promise<void> | null = null;
  let uninstallShutdown = (): void => undefined;
  const checks = new Map<string, { stop(): void }>();

  function close(): Promise<void> {
    closing ??= (async () => {
      for (const check of checks.values()) check.stop();
      isClosed = true;
      clearImmediate(firstTurn);
      options.signal?.removeEventListener('abort', onAbort);
      uninstallShutdown();
      unwatchWorkers();
      stopCounting();
      appMetrics?.close();
      await probe.close();
      process.off('exit', onExit);
      heartbeat.stop();
      thread.release();
      unpublishShare(share);
      closeRequestsBlock(block);
      if (source.native) {
        addon.unmonitorLoop(loop);
        addon.stopSampler();
      }
      onClosed();
    })();
    return closing;
  }

  let announced = '';
  function announce(): void {
    const verdict = evaluator.verdict();
    const current = signature(verdict);
    if (current === announced) return;
    announced = current;
    emitter.emit('status', status());
  }

  function status(): HealthStatus {
    evaluator.update();
    const { phase, live, ready, startup, health, reasons } = evaluator.verdict();
    return {
      phase,
      live,
      ready,
      startup,
      health,
      reasons: reasons.map(({ component, code, message }) => ({ component, code, message })),
    };
  }

  const active = (): number => requests.read(monoMs()).active;
  const setPhase = (phase: 'draining' | 'serving'): void =>
    dispatch({ type: 'phase', atMs: monoMs(), phase });
  function beginDrain(): void {
    setPhase('draining');
    emitter.emit('drain');
  }

  const started = await probe.started.catch(async (error: unknown) => {
    await close();
    throw error;
  });
  if (config.shutdown !== null)
    uninstallShutdown = installShutdown({
      config: config.shutdown,
      yieldsExit: internals.yieldsExit ?? false,
      beginDrain,
      activeRequests: active,
      close,
      logger,
    });
  logger?.info(
    { listeners: started.listeners, httpEngine: started.engine, native: source.native },
    `health started: ${started.note}`,
  );
  if (source.report !== '')
    logger?.warn({ report: source.report }, 'the native addon did not load; the JavaScript fallback serves');

  const closedGuard = (): void => {
    if (isClosed) throw new InferenceHealthError('ERR_CLOSED', 'health has been closed');
  };
  const ports = { dispatch, now: monoMs };

  return {
    listeners: started.listeners,
    httpEngine: started.engine,
    native: source.native,
    model: createClaim('model', 'Model', dispatch, monoMs),
    engine: createClaim('inference_engine', 'Inference engine', dispatch, monoMs),
    component: (name) => createComponent(checkName('component', name), dispatch, monoMs),
    check(name, fn, checkOptions = {}) {
      closedGuard();
      checkName('check', name);
      if (checks.has(name))
        throw new InferenceHealthError(
          'ERR_CONFIG_INVALID',
          `check '${name}' exists already; stop() it first`,
        );
      const handle = startCheck(name, fn, checkOptions, ports);
      const stop = (): void => {
        checks.delete(name);
        handle.stop();
      };
      checks.set(name, { stop });
      return { stop, [Symbol.dispose]: stop };
    },
    endpoint(name) {
      const handle = createEndpoint(checkName('endpoint', name), dispatch, monoMs);
      handle.notReady();
      return handle;
    },
    hold: (name) => createHold(checkName('hold', name, []), dispatch, monoMs),
    requests: { begin: thread.begin },
    async drain() {
      closedGuard();
      beginDrain();
      while (!isClosed && active() > 0) await new Promise((resolve) => setTimeout(resolve, DRAIN_POLL_MS));
    },
    resume: () => setPhase('serving'),
    share: () => share,
    handler: (handlerOptions = {}) =>
      createHandler({
        ...handlerOptions,
        evaluator,
        metrics: createMetricsRoute({ renderMetrics: () => probe.renderMetrics() }, () => undefined as never),
        refreshLive: createLive(requests),
      }),
    status,
    on: emitter.on.bind(emitter),
    once: emitter.once.bind(emitter),
    off: emitter.off.bind(emitter),
    close,
    [Symbol.asyncDispose]: close,
  } as Health;
}
