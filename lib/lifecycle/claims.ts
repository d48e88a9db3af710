import { invalid } from '../config/values.js';
import type { EngineWatch, WatchOptions } from '../engine/monitor.js';
import { InferenceHealthError } from '../errors.js';
import type { StatusEvent } from '../status/events.js';

/** `health.model` and `health.engine`: what only the application knows. The first call makes the component count. */
export interface Claim {
  /** Not ready until `ready()`. */
  loading(): void;
  ready(message?: string): void;
  /** Unhealthy until `ready()`; the error's text is shown only to listeners with `details: 'full'`. */
  failed(error?: unknown): void;
}

/** `health.engine` */
export interface EngineClaim extends Claim {
  /**
   * Watches the engine from now on: dead or stalled, it makes the process not ready, whatever `ready()` said; see
   * `docs/engine.md`.
   * @throws InferenceHealthError `ERR_CONFIG_INVALID` for options that do not fit; `ERR_CLOSED` after `close()`.
   */
  watch(options: WatchOptions): EngineWatch;
  /**
   * The engine has done something (a step, a chunk of a prompt, a token) that no served endpoint shows.
   * @param steps integer of at least 1, default 1
   */
  progress(steps?: number): void;
}

export interface ComponentHandle {
  /**
   * @param status `healthy`, `degraded`, `unhealthy` or `unknown`
   * @param reason condition, appended to the component's name as the code: `queue_full` → `<name>.queue_full`
   * @param message text for people; public: every listener shows it, whatever its `details`
   */
  set(status: 'healthy' | 'degraded' | 'unhealthy' | 'unknown', reason?: string, message?: string): void;
  /** Removes the component. */
  remove(): void;
}

export interface EndpointReadiness {
  ready(): void;
  notReady(reason?: string): void;
  /**
   * Not ready until released, whatever `ready()` says; reason code `endpoint.<name>`. The same name held twice wants two
   * releases.
   */
  hold(name: string): Hold;
}

export interface Hold {
  release(): void;
  [Symbol.dispose](): void;
}

type Dispatch = (event: StatusEvent) => void;
type Now = () => number;

const TEXT_LIMIT = 1000;
const STATUSES = ['healthy', 'degraded', 'unhealthy', 'unknown'];
/** What the library observes itself; an application that could overwrite it could hide a fault. */
const RESERVED = ['memory', 'cpu', 'event_loop', 'gpu', 'phase', 'drain', 'hold', 'endpoint'];

/** NUL is the placeholder mark of rendered documents; very long texts would be rendered into every answer. */
export function cleanText(text: string): string {
  const clean = text.replaceAll('\0', '');
  return clean.length > TEXT_LIMIT ? `${clean.slice(0, TEXT_LIMIT)}…` : clean;
}

/** Names become JSON keys, metric labels and parts of reason codes. */
export function checkName(where: string, name: unknown, reserved: readonly string[] = RESERVED): string {
  if (typeof name !== 'string' || !/^[A-Za-z][A-Za-z0-9_-]{0,63}$/.test(name)) {
    throw invalid(where, 'a name of 1 to 64 letters, digits, _ and -, beginning with a letter', name);
  }
  if (reserved.includes(name))
    throw new InferenceHealthError(
      'ERR_CONFIG_INVALID',
      `${where}: '${name}' is observed by the library itself`,
    );
  return name;
}

function errorText(error: unknown): string | null {
  if (error === undefined) return null;
  return cleanText(error instanceof Error ? error.message : String(error));
}

export function createClaim(name: string, title: string, dispatch: Dispatch, now: Now): Claim {
  const set = (
    status: 'healthy' | 'degraded' | 'unhealthy',
    condition: string,
    message: string,
    detail: string | null = null,
  ): void =>
    dispatch({
      type: 'component',
      atMs: now(),
      name,
      status,
      reason: `${name}.${condition}`,
      message,
      detail,
      owner: 'application',
    });
  return {
    loading: () => set('degraded', 'loading', `${title} loading`),
    ready: (message) =>
      set(
        'healthy',
        'ready',
        message === undefined
          ? name === 'model'
            ? 'Model loaded and ready'
            : `${title} responsive`
          : cleanText(message),
      ),
    failed: (error) => set('unhealthy', 'failed', `${title} failed`, errorText(error)),
  };
}

export function createComponent(name: string, dispatch: Dispatch, now: Now): ComponentHandle {
  return {
    set(status, reason, message) {
      if (!STATUSES.includes(status)) throw invalid(`component ${name}: status`, STATUSES.join(', '), status);
      if (reason !== undefined && (typeof reason !== 'string' || !/^[A-Za-z0-9_.-]{1,64}$/.test(reason))) {
        throw invalid(`component ${name}: reason`, '1 to 64 letters, digits, _, . and -', reason);
      }
      const code =
        reason === undefined
          ? `${name}.${status}`
          : reason.startsWith(`${name}.`)
            ? reason
            : `${name}.${reason}`;
      const text = cleanText(message ?? `Reported ${status}`);
      dispatch({
        type: 'component',
        atMs: now(),
        name,
        status,
        reason: code,
        message: text,
        owner: 'application',
      });
    },
    remove: () => dispatch({ type: 'component-removed', name }),
  };
}

export function createEndpoint(name: string, dispatch: Dispatch, now: Now): EndpointReadiness {
  let status: 'ready' | 'notready' = 'notready';
  let reason: string | null = null;
  const holds = new Map<string, number>();
  const publish = (): void => {
    const [hold] = holds.keys();
    dispatch({
      type: 'endpoint',
      atMs: now(),
      name,
      ...(hold === undefined ? { status, reason } : { status: 'notready', reason: `endpoint.${hold}` }),
    });
  };
  const count = (hold: string, change: 1 | -1): void => {
    const held = (holds.get(hold) ?? 0) + change;
    if (held > 0) holds.set(hold, held);
    else holds.delete(hold);
    publish();
  };
  return {
    ready() {
      status = 'ready';
      reason = null;
      publish();
    },
    notReady(why) {
      status = 'notready';
      reason = why === undefined ? null : `endpoint.${checkName('endpoint reason', why, [])}`;
      publish();
    },
    hold(given) {
      const hold = checkName('endpoint hold', given, []);
      count(hold, 1);
      let isReleased = false;
      const release = (): void => {
        if (!isReleased) count(hold, -1);
        isReleased = true;
      };
      return { release, [Symbol.dispose]: release };
    },
  };
}

export function createHold(name: string, dispatch: Dispatch, now: Now): Hold {
  dispatch({ type: 'hold', atMs: now(), name });
  const release = (): void => dispatch({ type: 'hold-released', name });
  return { release, [Symbol.dispose]: release };
}
