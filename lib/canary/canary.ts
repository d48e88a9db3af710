import type { CanaryConfig } from '../config/canary.js';
import type { Logger } from '../config/options.js';
import { afterTurning } from '../engine/turning.js';
import { InferenceHealthError } from '../errors.js';
import { cleanText } from '../lifecycle/claims.js';
import type { ServedEndpoint } from '../lifecycle/serve.js';
import type { StatusEvent } from '../status/events.js';
import { type CanaryEffect, type CanaryEnd, type CanaryEvent, initialCanary, stepCanary } from './policy.js';

/** What a test request asks for unless told otherwise: one token, as Dynamo's workers are asked. */
export const DEFAULT_PAYLOAD: object = Object.freeze({
  token_ids: Object.freeze([1]),
  stop_conditions: Object.freeze({ max_tokens: 1, ignore_eos: true }),
  sampling_options: Object.freeze({ temperature: 0 }),
});

/** Put into every test request, so that a handler can tell it from a real one. */
export const CANARY_MARK = '_HEALTH_CHECK';

export interface CanaryPorts {
  readonly config: CanaryConfig;
  readonly logger: Logger | null;
  readonly now: () => number;
  readonly dispatch: (event: StatusEvent) => void;
  /** Real requests that the engine works on. */
  readonly busy: () => number;
  /** Changes whenever the engine does something for real requests. */
  readonly progress: () => number;
  /** A test request has succeeded: whatever was thought of the engine, it works. */
  readonly onWorking: () => void;
  /** Test requests to an endpoint whose handler has not ended, though they were aborted. */
  readonly unsettled: (name: string) => number;
}

/** Sends test requests to served endpoints. */
export interface Canaries {
  /** Begins with an endpoint. Throws ERR_CONFIG_INVALID where that name is tested already. */
  add(endpoint: ServedEndpoint<never, unknown>, payload: object | null): void;
  /** A real request to the endpoint was answered, in part or in whole. */
  traffic(name: string): void;
  /** The endpoint is served no more: a running test request is aborted and its verdict forgotten. */
  remove(name: string): void;
  close(): void;
}

interface Tested {
  time(): void;
  traffic(): void;
  stop(): void;
}

const LONGEST_TICK_MS = 250;
/** More than this many hanging handlers of test requests would only pile up work in an engine that cannot do it. */
const MAX_UNSETTLED = 3;

export function createCanaries(ports: CanaryPorts): Canaries {
  const tested = new Map<string, Tested>();
  let timer: NodeJS.Timeout | undefined;
  const tickMs = Math.max(10, Math.min(LONGEST_TICK_MS, ports.config.waitMs / 10));

  function remove(name: string): void {
    const found = tested.get(name);
    if (found === undefined) return;
    tested.delete(name);
    found.stop();
    ports.dispatch({ type: 'canary', name, report: null });
    if (tested.size === 0) clearInterval(timer);
  }

  return {
    add(endpoint, payload) {
      const { name } = endpoint;
      if (tested.has(name)) {
        throw new InferenceHealthError(
          'ERR_CONFIG_INVALID',
          `endpoint ${name} has a canary already; close() the other`,
        );
      }
      const chosen = ports.config.payload ?? payload ?? DEFAULT_PAYLOAD;
      tested.set(name, testEndpoint(ports, endpoint, { ...chosen, [CANARY_MARK]: true }));
      if (tested.size > 1) return;
      timer = setInterval(() => {
        for (const each of tested.values()) each.time();
      }, tickMs).unref();
    },
    traffic: (name) => tested.get(name)?.traffic(),
    remove,
    close() {
      for (const name of [...tested.keys()]) remove(name);
    },
  };
}

function testEndpoint(ports: CanaryPorts, endpoint: ServedEndpoint<never, unknown>, payload: object): Tested {
  const { logger, now, dispatch } = ports;
  const { name } = endpoint;
  let state = initialCanary(ports.config, now());
  let hasTraffic = false;
  let isStopped = false;
  let abort: (() => void) | null = null;

  function apply(event: CanaryEvent): void {
    if (isStopped) return;
    const before = state.report.status;
    const stepped = stepCanary(state, event);
    state = stepped.state;
    for (const effect of stepped.effects) perform(effect, before);
  }

  function perform(effect: CanaryEffect, before: string): void {
    if (effect.type === 'send') {
      send(effect.id, effect.timeoutMs);
      return;
    }
    const { status, history } = effect.report;
    dispatch({ type: 'canary', name, report: effect.report });
    const last = history.at(-1);
    if (status === before) return;
    if (status === 'failed') logger?.warn({ endpoint: name, last }, 'endpoint fails its test requests');
    else logger?.info({ endpoint: name, last }, 'endpoint answers');
  }

  function send(id: number, timeoutMs: number): void {
    const startedMs = now();
    const before = ports.progress();
    const call = endpoint.call(payload as never, { isCanary: true });
    let frames = 0;
    let lastFrameMs = startedMs;
    let isOver = false;

    function finish(end: CanaryEnd, detail: string | null): void {
      if (isOver) return;
      isOver = true;
      disarm();
      abort = null;
      // Or is still at it: then a real request came meanwhile, and the watchdog judges.
      const progressed = ports.progress() !== before || ports.busy() > 0;
      if (end === 'ok' || end === 'cut') ports.onWorking();
      const durationMs = now() - startedMs;
      apply({ type: 'ended', atMs: now(), id, end, durationMs, progressed, detail, random: Math.random() });
    }
    const disarm = afterTurning(timeoutMs, () => {
      const flows = frames > 0 && now() - lastFrameMs < timeoutMs / 3;
      finish(
        flows ? 'cut' : 'timeout',
        flows ? null : `no end within ${Math.round(timeoutMs)} ms, ${frames} frames`,
      );
      void call.return().catch(() => undefined);
    });
    abort = () => {
      isOver = true;
      disarm();
      void call.return().catch(() => undefined);
    };
    void (async () => {
      try {
        for (;;) {
          const { done } = await call.next();
          if (done === true) break;
          frames += 1;
          lastFrameMs = now();
        }
        finish(frames === 0 ? 'empty' : 'ok', frames === 0 ? 'it ended without a frame' : null);
      } catch (error) {
        finish(
          isRefusal(error) ? 'refused' : 'failed',
          cleanText(error instanceof Error ? error.message : String(error)),
        );
      }
    })();
  }

  dispatch({ type: 'canary', name, report: state.report });
  return {
    time() {
      if (hasTraffic) apply({ type: 'traffic', atMs: now(), random: Math.random() });
      hasTraffic = false;
      if (ports.unsettled(name) < MAX_UNSETTLED) apply({ type: 'time', atMs: now(), busy: ports.busy() });
    },
    traffic() {
      // Every token comes here: what is known already waits for the next look.
      hasTraffic = true;
      if (state.report.status === 'ok') return;
      hasTraffic = false;
      apply({ type: 'traffic', atMs: now(), random: Math.random() });
    },
    stop() {
      isStopped = true;
      abort?.();
    },
  };
}

function isRefusal(error: unknown): boolean {
  const { code } = error as { readonly code?: unknown };
  return code === 'ERR_OVERLOADED' || code === 'ERR_DRAINING' || code === 'ERR_CLOSED';
}
