import { setTimeout as sleep } from 'node:timers/promises';
import { monoMs } from '../native/clock.js';
import { readHeartbeat } from '../native/heartbeat.js';
import { LOOP, LOOP_FIELDS } from '../native/layout.js';
import { loadNative } from '../native/loader.js';
import { type Evaluation, evaluateOnMainThread } from './evaluate.js';
import { readThreadState, type ThreadState } from './thread-state.js';

/** Which stall is to be looked into; plain data, it crosses from the probe thread. */
export interface StackRequest {
  /** Id of the main thread's loop monitor. */
  readonly loop: number;
  /** When the stall began (slot `busySinceMs`): tells it from the next one. */
  readonly busySinceMs: number;
  /** Kernel thread id of the main thread; 0 or NaN = the process id, which it is on Linux. */
  readonly tid: number;
  /** What `mayInspect()` said on that thread. */
  readonly mayInspect: boolean;
  /** Only without the addon. */
  readonly heartbeat?: SharedArrayBuffer | null;
}

export interface StackFrame {
  /** Empty for a function without a name and for a module's top level. */
  readonly functionName: string;
  /** Path or URL of the script; empty for code that is built in. */
  readonly url: string;
  /** From 1; 0 = unknown. */
  readonly line: number;
  readonly column: number;
}

export interface StalledThread extends ThreadState {
  /** Share of one core that the thread used while we waited, 0 to 1: near 1 it computes, near 0 it waits. */
  readonly cpuRatio: number;
}

export interface StallReport {
  readonly atUnixMs: number;
  /** How long the loop has been blocked, milliseconds. */
  readonly busyMs: number;
  /**
   * `javascript`: `frames` says where. `native`: in native code, where JavaScript cannot be interrupted; `thread` says
   * what the kernel knows. `debugger`: the inspector is open, it may be a breakpoint; not looked into. `ended`: it was over
   * before an answer came. `unavailable`: this Node has no inspector or does not allow it; `thread` says what the kernel knows.
   */
  readonly kind: 'javascript' | 'native' | 'debugger' | 'ended' | 'unavailable';
  readonly frames: readonly StackFrame[];
  readonly thread: StalledThread | null;
}

/** Null: another capture was made less than a minute ago. */
export type StackResult = StallReport | null;

export interface CaptureOptions {
  /** After this many milliseconds without an answer the main thread counts as in native code. */
  readonly timeoutMs?: number;
  readonly minIntervalMs?: number;
  readonly maxFrames?: number;
}

let lastCaptureMs = Number.NEGATIVE_INFINITY;

/**
 * Says where the main thread is stuck. Call it on a worker thread of its own, never on the probe thread: it loads the
 * inspector and may take `timeoutMs`. The main thread is not paused; it loses about 1 ms. Never rejects.
 */
export async function captureMainStack(
  request: StackRequest,
  options: CaptureOptions = {},
): Promise<StackResult> {
  const { timeoutMs = 200, minIntervalMs = 60_000, maxFrames = 20 } = options;
  const startedMs = monoMs();
  if (startedMs - lastCaptureMs < minIntervalMs) return null;

  const tid = request.tid > 0 ? request.tid : process.pid;
  const isStillStalled = createStallCheck(request);
  const report = (kind: StallReport['kind'], rest: Partial<StallReport> = {}): StallReport => ({
    atUnixMs: Date.now(),
    busyMs: Math.max(0, monoMs() - request.busySinceMs),
    kind,
    frames: [],
    thread: null,
    ...rest,
  });
  if (!isStillStalled()) return report('ended');

  lastCaptureMs = startedMs;
  const before = readThreadState(tid);
  const answer: Evaluation = request.mayInspect
    ? await evaluateOnMainThread(stackExpression(maxFrames), timeoutMs)
    : { type: 'unavailable', message: 'not allowed' };
  // A shorter look at the processor time would not tell computing from waiting.
  if (answer.type === 'unavailable') await sleep(Math.max(0, timeoutMs - (monoMs() - startedMs)));
  const thread = (): StalledThread | null =>
    stalledThread(before, readThreadState(tid), monoMs() - startedMs);
  const result = ((): StallReport => {
    if (!isStillStalled()) return report('ended');
    if (answer.type === 'timeout') return report('native', { thread: thread() });
    if (answer.type === 'unavailable') return report('unavailable', { thread: thread() });
    if (answer.value === 'debugger') return report('debugger');
    const frames = toFrames(answer.value);
    return frames === null ? report('unavailable', { thread: thread() }) : report('javascript', { frames });
  })();
  // Nothing was found out, so the next stall need not wait for a minute.
  if (result.kind === 'ended') lastCaptureMs = Number.NEGATIVE_INFINITY;
  return result;
}

/** Without a monitor nobody can tell, and the answer stands as it is. */
function createStallCheck(request: StackRequest): () => boolean {
  const slots = new Float64Array(LOOP_FIELDS.length);
  const heartbeat = request.heartbeat == null ? null : new Int32Array(request.heartbeat);
  const native = heartbeat === null ? loadNative().native : null;
  return () => {
    const known =
      heartbeat === null
        ? (native?.readLoop(request.loop, slots) ?? false)
        : readHeartbeat(heartbeat, monoMs(), slots);
    // The start of one stall is a fixed number; NaN, an idle loop, is not near to anything.
    return !known || Math.abs((slots[LOOP.busySinceMs] ?? Number.NaN) - request.busySinceMs) < 1;
  };
}

function stalledThread(
  before: ThreadState | null,
  after: ThreadState | null,
  elapsedMs: number,
): StalledThread | null {
  if (after === null) return null;
  const usedMs = after.cpuMs - (before?.cpuMs ?? after.cpuMs);
  return { ...after, cpuRatio: Math.min(1, Math.max(0, usedMs / elapsedMs)) };
}

/**
 * Runs on the main thread, between two instructions of whatever is stuck there. It calls nothing of the application's:
 * `Error.prepareStackTrace` may be a source map library, so it is replaced for these microseconds. With the inspector open
 * there may be a developer behind the stall, who would not want company.
 */
function stackExpression(maxFrames: number): string {
  return `(function capture() {
  var load = typeof process.getBuiltinModule === 'function' ? process.getBuiltinModule : require;
  if (load('node:inspector').url() !== undefined) return 'debugger';
  var limit = Error.stackTraceLimit;
  var prepare = Object.getOwnPropertyDescriptor(Error, 'prepareStackTrace');
  try {
    Error.stackTraceLimit = ${maxFrames + 1};
    Object.defineProperty(Error, 'prepareStackTrace', {
      configurable: true,
      value: function (_, sites) {
        var frames = [];
        for (var i = 1; i < sites.length; i++) {
          var site = sites[i];
          frames[i - 1] = [site.getFunctionName(), site.getFileName(), site.getLineNumber(), site.getColumnNumber()];
        }
        return frames;
      },
    });
    var holder = {};
    Error.captureStackTrace(holder, capture);
    return holder.stack;
  } finally {
    Error.stackTraceLimit = limit;
    if (prepare) Object.defineProperty(Error, 'prepareStackTrace', prepare);
    else delete Error.prepareStackTrace;
  }
})()`;
}

const LONGEST_PART = 256;

/** Without what may be a secret or a whole program: the query of a module's URL, the source in a `data:` URL. */
function publicUrl(url: string): string {
  if (url.startsWith('data:')) return 'data:…';
  return cut(url.replace(/[?#].*$/s, ''));
}

function cut(text: string): string {
  return text.length > LONGEST_PART ? `${text.slice(0, LONGEST_PART)}…` : text;
}

function toFrames(value: unknown): StackFrame[] | null {
  if (!Array.isArray(value)) return null;
  const text = (part: unknown): string => (typeof part === 'string' ? part : '');
  const position = (part: unknown): number => (typeof part === 'number' ? part : 0);
  return value.filter(Array.isArray).map(([functionName, url, line, column]: unknown[]) => ({
    functionName: cut(text(functionName)),
    url: publicUrl(text(url)),
    line: position(line),
    column: position(column),
  }));
}
