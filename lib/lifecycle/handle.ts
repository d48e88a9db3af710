import { createLoadControl } from '../admission/load-control.js';
import { rejectUnknown } from '../config/keys.js';
import { invalid } from '../config/values.js';
import { DIALECT_NAMES } from '../dialects/index.js';
import { InferenceHealthError } from '../errors.js';
import { createMetricsRoute } from '../metrics/route.js';
import { monoMs } from '../native/clock.js';
import { createLive } from '../probe/live.js';
import type { Started } from '../probe/thread.js';
import { startCheck } from './checks.js';
import { checkName, createClaim, createComponent, createHold } from './claims.js';
import { endWithProcess } from './engine-hook.js';
import { createGpuControl } from './gpu-control.js';
import { createHandler } from './handler.js';
import type { Health } from './health.js';
import { createEndpoints } from './served-endpoint.js';
import type { Service } from './service.js';
import { SHOW_EVENTS } from './show-events.js';
import { SHOW_FRONTEND } from './show-frontend.js';

const DRAIN_POLL_MS = 20;

/** The public face of a running service. */
export function createHandle(service: Service, { listeners, engine, admin }: Started): Health {
  const { dispatch, emitter, evaluator, requests, close } = service;
  const checks = new Map<string, () => void>();

  function requireOpen(): void {
    if (service.isClosed()) throw new InferenceHealthError('ERR_CLOSED', 'health has been closed');
  }

  const gpu = createGpuControl(service.nativeGpu, service.sendGpu, monoMs);
  const endpoint = createEndpoints({
    scopes: service.scopes,
    admission: service.admission,
    begin: service.begin,
    beginWork: service.board.begin,
    canaries: service.canaries,
    reportError: (error) => void gpu.reportError(error),
    declare: (name) => dispatch({ type: 'endpoint-declared', atMs: monoMs(), name }),
    dispatch,
    now: monoMs,
  });

  service.onClose(() => {
    for (const stop of checks.values()) stop();
  });

  const handle: Health = {
    listeners,
    adminListener: admin,
    httpEngine: engine,
    native: service.native,
    model: createClaim('model', 'Model', dispatch, monoMs),
    engine: {
      ...createClaim('inference_engine', 'Inference engine', dispatch, monoMs),
      watch(options) {
        requireOpen();
        const watched = service.engine.watch(options);
        if (options.child !== undefined) endWithProcess(service.shutdown.hooks, options.child);
        return watched;
      },
      progress(steps = 1) {
        if (!Number.isInteger(steps) || steps < 1)
          throw invalid('engine.progress', 'an integer of at least 1', steps);
        service.board.reports();
        service.board.progress(steps);
      },
    },
    component: (name) => createComponent(checkName('component', name), dispatch, monoMs),
    check(name, fn, options = {}) {
      requireOpen();
      checkName('check', name);
      if (checks.has(name)) {
        throw new InferenceHealthError(
          'ERR_CONFIG_INVALID',
          `check '${name}' exists already; stop() it first`,
        );
      }
      const check = startCheck(name, fn, options, { dispatch, now: monoMs, logger: service.logger });
      const stop = (): void => {
        checks.delete(name);
        check.stop();
      };
      checks.set(name, stop);
      return { stop, [Symbol.dispose]: stop };
    },
    endpoint,
    hold: (name) => createHold(checkName('hold', name, []), dispatch, monoMs),
    gpu,
    requests: { begin: service.begin },
    admit: service.admission.admit,
    load: createLoadControl(service.load, monoMs),
    async drain() {
      requireOpen();
      service.shutdown.pause('drain()');
      const isDone = (): boolean =>
        service.shutdown.status().phase === 'serving' ||
        (service.shutdown.status().phase === 'draining' && service.activeRequests() === 0);
      while (!service.isClosed() && !isDone()) {
        await new Promise((resolve) => setTimeout(resolve, DRAIN_POLL_MS));
      }
    },
    resume: () => void service.shutdown.resume(),
    onShutdown(name, what, options) {
      requireOpen();
      const hook = service.shutdown.hooks.add(name, what, options);
      service.shutdown.checkBudget();
      return hook;
    },
    share: () => service.share,
    handler(options = {}) {
      rejectUnknown('option of handler', options, ['dialect', 'details']);
      if (options.dialect !== undefined && !DIALECT_NAMES.includes(options.dialect))
        throw invalid('handler: dialect', DIALECT_NAMES.join(' or '), options.dialect);
      const metrics = createMetricsRoute(service.renderMetrics);
      const { liveMode, listeners: own } = service.config;
      return createHandler({
        dialect: own[0]?.dialect ?? 'bitnet',
        liveMode,
        ...options,
        evaluator,
        metrics,
        refreshLive: createLive(requests, service.loadReader),
      });
    },
    status: service.status,
    on: (name, listener) => emitter.on(name, listener),
    once: (name, listener) => emitter.once(name, listener),
    off: (name, listener) => emitter.off(name, listener),
    close: close,
    [Symbol.asyncDispose]: close,
  };
  Object.defineProperty(handle, SHOW_FRONTEND, { value: service.showFrontend });
  Object.defineProperty(handle, SHOW_EVENTS, { value: service.showEvents });
  return handle;
}
