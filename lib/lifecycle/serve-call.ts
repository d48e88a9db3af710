import { type Admission, type Permit, rejectionError } from '../admission/permit.js';
import type { EngineRequest } from '../engine/board.js';
import { InferenceHealthError } from '../errors.js';
import { cancelError } from '../requests/cancel-error.js';
import type { CancelReason } from '../requests/scope.js';
import type { RequestHandle } from '../requests/tracker.js';
import type { ActiveScopes, RequestScope } from './active-scopes.js';
import type { CallOptions, Handler, ServedCall, ServeOptions } from './serve.js';

/** What a call needs of the service. */
export interface ServePorts {
  readonly scopes: ActiveScopes;
  readonly admission: Pick<Admission, 'admit' | 'isRefusing'>;
  begin(): RequestHandle;
  /** The engine's work on a request begins. Canaries are not told: theirs is no work that the watchdog may judge. */
  beginWork(): EngineRequest;
  /** A request that is no canary was answered, in part or in whole. */
  answered(endpoint: string): void;
  /** Gets whatever a handler throws. */
  reportError(error: unknown): void;
}

export interface CallPlan<Request, Frame> {
  readonly endpoint: string;
  readonly handler: Handler<Request, Frame>;
  readonly request: Request;
  readonly serve: ServeOptions;
  readonly options: CallOptions;
  isClosed(): boolean;
}

interface Waiting<Frame> {
  resolve(result: IteratorResult<Frame>): void;
  reject(error: unknown): void;
}

const DONE = { done: true, value: undefined } as const;
const MAX_TOKENS = 2 ** 31 - 1;

/** Cancels that are the client's own doing: they are no failures of this server. */
const WANTED: readonly CancelReason['code'][] = ['cancelled', 'disconnected', 'orphaned'];

/**
 * One call of a handler. After a kill the caller gets the error in the same turn and nothing after it, whatever the
 * handler does. The permit and the counters are given back when the handler has really ended, because until then the
 * engine is really at work. Not an async generator: `return()` of one waits for its pending `next()`.
 */
export function createCall<Request, Frame>(
  ports: ServePorts,
  plan: CallPlan<Request, Frame>,
): ServedCall<Frame> {
  const { isCanary = false } = plan.options;
  const id = plan.options.id ?? ports.scopes.newId();
  const waiting = new Set<Waiting<Frame>>();
  let scope: RequestScope | null = null;
  let starting: Promise<AsyncIterator<Frame> | null> | null = null;
  let frames: AsyncIterator<Frame> | null = null;
  let counted: RequestHandle | null = null;
  let permit: Permit | null = null;
  let work: EngineRequest | null = null;
  /** The caller has its end; the handler may still be at it. */
  let isEnded = false;
  /** The error of the end, until somebody has been told. */
  let untold: { readonly error: unknown } | null = null;

  function endCaller(error: unknown, failed: boolean): void {
    if (isEnded) return;
    isEnded = true;
    if (failed && waiting.size === 0) untold = { error };
    for (const each of waiting) failed ? each.reject(error) : each.resolve(DONE);
    waiting.clear();
  }

  /** The handler has ended, or never began. */
  function settle(failed: boolean): void {
    const reason = scope?.reason ?? null;
    const wanted = reason !== null && WANTED.includes(reason.code);
    if (failed && !wanted) counted?.fail();
    else if (reason !== null && !wanted) counted?.fail();
    else counted?.end();
    counted = null;
    permit?.release();
    permit = null;
    // Given up or failed: that shows nothing about the engine.
    work?.end(!failed && reason === null);
    work = null;
    scope?.close();
  }

  function onCancel(level: 'stop' | 'kill', reason: CancelReason): void {
    if (level === 'stop') return;
    endCaller(cancelError(reason), true);
    if (frames === null) return;
    // Runs the handler's `finally`, once a pending `next()` has come back. An iterator without it just ends there.
    const over = frames.return === undefined ? lastPull : returnFrames(frames);
    over.then(() => settle(true), fail);
  }

  function fail(error: unknown): void {
    ports.reportError(error);
    endCaller(error, true);
    settle(true);
  }

  async function start(): Promise<AsyncIterator<Frame> | null> {
    try {
      if (plan.isClosed()) throw closedError(plan.endpoint);
      scope = ports.scopes.open({
        ...scopeOptions(plan),
        id,
        isCanary,
        onCancel,
        onProgress: () => work?.progress(),
      });
      const own = scope;
      if (own.reason !== null) throw cancelError(own.reason);
      if (isCanary) {
        if (ports.admission.isRefusing()) throw rejectionError('draining', 1);
      } else {
        permit = await ports.admission.admit({
          deadlineMs: own.remainingMs(),
          bytes: plan.options.bytes ?? 0,
          // Read only if there is a queue to leave.
          get signal() {
            return own.stopSignal;
          },
        });
      }
      if (own.reason !== null) throw cancelError(own.reason);
      if (!isCanary) counted = ports.begin();
    } catch (error) {
      endCaller(scope?.reason == null ? error : cancelError(scope.reason), true);
      settle(true);
      return null;
    }
    try {
      if (!isCanary) work = ports.beginWork();
      frames = plan.handler(plan.request, scope)[Symbol.asyncIterator]();
    } catch (error) {
      fail(error);
    }
    return frames;
  }

  function onFrame(result: IteratorResult<Frame>, each: Waiting<Frame>): void {
    if (isEnded || scope === null) return;
    if (result.done === true) {
      endCaller(undefined, false);
      settle(false);
      return;
    }
    if (!isCanary) ports.answered(plan.endpoint);
    const tokens = tokensOf(result.value);
    if (tokens !== null) counted?.tokens(tokens);
    scope.progress(tokens === null ? 1 : Math.max(1, tokens));
    work?.answered();
    waiting.delete(each);
    // The client has what there is; until it asks for more, nothing is expected of the engine.
    if (waiting.size === 0) work?.waits();
    each.resolve(result);
  }

  let lastPull: Promise<unknown> = Promise.resolve();
  function pull(from: AsyncIterator<Frame> | null, each: Waiting<Frame>): void {
    if (from === null || isEnded) return;
    work?.resumes();
    lastPull = from.next().then(
      (result) => onFrame(result, each),
      (error: unknown) => (isEnded ? ports.reportError(error) : fail(error)),
    );
  }

  return {
    id,
    next() {
      if (isEnded) {
        const told = untold;
        untold = null;
        return told === null ? Promise.resolve(DONE) : Promise.reject(told.error);
      }
      return new Promise((resolve, reject) => {
        const each: Waiting<Frame> = { resolve, reject };
        waiting.add(each);
        if (frames !== null) pull(frames, each);
        else {
          starting ??= start();
          void starting.then((from) => pull(from, each));
        }
      });
    },
    return() {
      endCaller(undefined, false);
      untold = null;
      scope?.kill({ code: 'cancelled', message: 'the caller wants no more frames' });
      return Promise.resolve(DONE);
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

/** An iterator of the application may also throw here. */
async function returnFrames(frames: AsyncIterator<unknown>): Promise<void> {
  await frames.return?.();
}

function closedError(endpoint: string): InferenceHealthError {
  return new InferenceHealthError('ERR_CLOSED', `endpoint ${endpoint} has been closed`);
}

function scopeOptions<Request, Frame>({ endpoint, serve, options }: CallPlan<Request, Frame>) {
  const { signal } = options;
  return {
    endpoint,
    deadlineMs: Math.min(
      options.deadlineMs ?? Number.POSITIVE_INFINITY,
      serve.deadlineMs ?? Number.POSITIVE_INFINITY,
    ),
    ...(signal === undefined ? {} : { signal }),
    ...(serve.escalateMs === undefined ? {} : { escalateMs: serve.escalateMs }),
    ...(serve.onDisconnect === undefined ? {} : { onDisconnect: serve.onDisconnect }),
  };
}

function tokensOf(frame: unknown): number | null {
  if (typeof frame !== 'object' || frame === null || !('tokens' in frame)) return null;
  const { tokens } = frame;
  return typeof tokens === 'number' && Number.isInteger(tokens) && tokens >= 0 && tokens <= MAX_TOKENS
    ? tokens
    : null;
}
